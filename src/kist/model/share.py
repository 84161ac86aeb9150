"""A share: this actor may do this to this file."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kist.model.actor import Action


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner of a file, or somebody with the right to share it, has granted to ``actor``.

    One row for each file and actor. ``granted_by`` is the actor who granted it last.
    """

    file_id: str
    actor: str
    granted_by: str
    created_at: datetime
    read: bool = False
    write: bool = False
    share: bool = False
    remove: bool = False
    expires_at: datetime | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """What is granted, in the order of ``Action``."""
        return tuple(action for action in Action if getattr(self, action.value))

    def live(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > now
