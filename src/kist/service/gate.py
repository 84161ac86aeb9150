"""The gate: who may do what to a file.

An admin may do everything to every file, an owner to their own. Others may do what a share grants them and what the
visibility of the file leaves open.
"""

from __future__ import annotations

from kist.errors import NotAllowed, NotSignedIn
from kist.model.actor import Action, Actor
from kist.model.file import File, Visibility
from kist.model.share import Share

_READ_BY_ALL = (Visibility.PUBLIC_READ, Visibility.PUBLIC_READ_WRITE)


class OwnerGate:
    """The ``Gate`` of Kist's own rules."""

    def allows(self, actor: Actor, action: Action, file: File, share: Share | None = None) -> bool:
        """Whether ``actor`` may do ``action`` to ``file``."""
        if actor.is_admin or (actor.signed_in and actor.id == file.owner):
            return True
        if share is not None and share.actor == actor.id and share.file_id == file.id and action in share.actions:
            return True
        return open_to(actor, action, file.visibility)


def open_to(actor: Actor, action: Action, visibility: Visibility) -> bool:
    """Whether the visibility alone lets ``actor`` do ``action``."""
    if action is Action.READ:
        return visibility in _READ_BY_ALL or (visibility is Visibility.AUTHENTICATED_READ and actor.signed_in)
    return action is Action.WRITE and visibility is Visibility.PUBLIC_READ_WRITE and actor.signed_in


def check_signed_in(actor: Actor) -> None:
    """Raise ``NotSignedIn`` for an anonymous actor."""
    if not actor.signed_in:
        raise NotSignedIn("sign in first: send a key as Authorization: Bearer")


def check_admin(actor: Actor) -> None:
    """Raise ``NotSignedIn`` for an anonymous actor, ``NotAllowed`` for one who is no admin."""
    check_signed_in(actor)
    if not actor.is_admin:
        raise NotAllowed("only an admin may do that")
