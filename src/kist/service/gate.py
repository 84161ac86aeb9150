"""The gate: owners may do everything to their files, admins everything to every file, nobody else anything."""

from __future__ import annotations

from kist.model.actor import Action, Actor
from kist.model.file import File


class OwnerGate:
    """A ``Gate`` without shares."""

    def allows(self, actor: Actor, action: Action, file: File) -> bool:
        """Whether ``actor`` may do ``action`` to ``file``."""
        return actor.is_admin or (actor.signed_in and actor.id == file.owner)
