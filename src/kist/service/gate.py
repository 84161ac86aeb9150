"""The gate: owners may do everything to their files, admins everything to every file, nobody else anything."""

from __future__ import annotations

from kist.errors import NotAllowed, NotSignedIn
from kist.model.actor import Action, Actor
from kist.model.file import File


class OwnerGate:
    """A ``Gate`` without shares."""

    def allows(self, actor: Actor, action: Action, file: File) -> bool:
        """Whether ``actor`` may do ``action`` to ``file``."""
        return actor.is_admin or (actor.signed_in and actor.id == file.owner)


def check_signed_in(actor: Actor) -> None:
    """Raise ``NotSignedIn`` for an anonymous actor."""
    if not actor.signed_in:
        raise NotSignedIn("sign in first: send a key as Authorization: Bearer")


def check_admin(actor: Actor) -> None:
    """Raise ``NotSignedIn`` for an anonymous actor, ``NotAllowed`` for one who is no admin."""
    check_signed_in(actor)
    if not actor.is_admin:
        raise NotAllowed("only an admin may do that")
