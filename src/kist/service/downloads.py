"""Read the bytes of a file."""

from __future__ import annotations

from kist.errors import Corrupt, FileMissing, ObjectMissing
from kist.model.actor import Action, Actor
from kist.model.content import Opened, Span
from kist.model.file import File, FileState
from kist.service.files import audited
from kist.service.ports import Ports


class Downloads:
    """The way out for bytes that pass through the server."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def open(self, actor: Actor, file: File, span: Span | None = None) -> Opened:
        """Open the content of ``file``, or the ``span`` of it. Whoever asked closes what is returned.

        ``FileMissing`` when ``actor`` may not read it, ``BadRange``, and ``Corrupt`` when the store has lost it.
        """
        if file.state is not FileState.READY or not self._ports.gate.allows(actor, Action.READ, file):
            raise FileMissing("there is no such file")
        entry = audited(self._ports, actor, Action.READ, file)
        if entry:
            await self._ports.catalogue.commit(*entry)
        try:
            return await self._ports.store.open(file.place, span and span.within(file.size))
        except ObjectMissing as error:
            raise Corrupt(f"the bytes of file {file.id} are missing from the store", file=file.id) from error
