"""The one way from an id to a file: nobody gets a file here without being allowed to do something to it."""

from __future__ import annotations

from kist.errors import FileMissing, NotAllowed, NotSignedIn
from kist.model.actor import Action, Actor
from kist.model.file import File, FileState
from kist.model.share import Share
from kist.service.ports import Ports


async def permitted(ports: Ports, actor: Actor, file_id: str, action: Action) -> File:
    """The ready file with this id, if ``actor`` may do ``action`` to it.

    ``FileMissing`` when there is none, and just the same when the actor may not know of it; ``NotAllowed`` when they
    may read it, but not do that. An anonymous actor is told ``NotSignedIn`` in all these cases.
    """
    try:
        file = await ports.catalogue.file(file_id)
    except FileMissing:
        if not actor.signed_in:
            raise _sign_in() from None
        raise
    share = await share_of(ports, actor, file)
    if file.state is FileState.READY and ports.gate.allows(actor, action, file, share):
        return file
    if not actor.signed_in:
        raise _sign_in()
    if file.state is FileState.READY and ports.gate.allows(actor, Action.READ, file, share):
        raise NotAllowed(f"you may read this file, but not {action.value} it")
    raise FileMissing("there is no such file")


async def may(ports: Ports, actor: Actor, action: Action, file: File) -> bool:
    """Whether ``actor`` may do ``action`` to ``file`` right now."""
    return ports.gate.allows(actor, action, file, await share_of(ports, actor, file))


async def share_of(ports: Ports, actor: Actor, file: File) -> Share | None:
    """The live share that ``actor`` has on somebody else's file; nothing is asked where none is needed."""
    if actor.is_admin or not actor.signed_in or actor.id == file.owner:
        return None
    share = await ports.catalogue.share(file.id, actor.id)
    return share if share is not None and share.live(ports.clock.now()) else None


def _sign_in() -> NotSignedIn:
    return NotSignedIn("sign in first: send a key as Authorization: Bearer")
