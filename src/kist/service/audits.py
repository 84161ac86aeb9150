"""What an admin does to what belongs to somebody else is written down."""

from __future__ import annotations

from kist.model.actor import Action, Actor
from kist.model.changes import Add
from kist.model.file import File
from kist.model.rows import AuditEntry
from kist.service.ports import Ports


def audited(ports: Ports, actor: Actor, action: Action, file: File) -> tuple[Add, ...]:
    """The entry for what an admin does to somebody else's file or its content; nothing for everybody else."""
    if not actor.is_admin or actor.id == file.owner:
        return ()
    entry = AuditEntry(
        id=ports.ids.uuid(),
        at=ports.clock.now(),
        actor=actor.id,
        via=actor.via,
        action=str(action),
        thing=f"file:{file.id}",
        owner=file.owner,
    )
    return (Add(entry),)
