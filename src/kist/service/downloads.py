"""Read the bytes of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

from kist.errors import Corrupt, FileMissing, ObjectMissing
from kist.model.actor import Action, Actor
from kist.model.content import Opened, Span
from kist.model.file import File, FileState
from kist.service.audits import audited
from kist.service.ports import Ports


class Downloads:
    """The way out for bytes that pass through the server."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def open(self, actor: Actor, file: File, span: Span | None = None) -> Opened:
        """Open the content of ``file``, or the ``span`` of it. Whoever asked closes what is returned.

        ``FileMissing`` when ``actor`` may not read it, ``BadRange``, and ``Corrupt`` when the store has lost it.
        Where reads are verified, the body of a whole download raises ``Corrupt`` before its last block unless the
        bytes have the file's sha256.
        """
        if file.state is not FileState.READY or not self._ports.gate.allows(actor, Action.READ, file):
            raise FileMissing("there is no such file")
        entry = audited(self._ports, actor, Action.READ, file)
        if entry:
            await self._ports.catalogue.commit(*entry)
        try:
            opened = await self._ports.store.open(file.place, span and span.within(file.size))
        except ObjectMissing as error:
            raise Corrupt(f"the bytes of file {file.id} are missing from the store", file=file.id) from error
        if span is None and file.sha256 is not None and self._ports.verify_reads:
            return Opened(opened.stored, None, verified(opened.body, file), opened.close)
        return opened


async def verified(body: AsyncIterator[bytes], file: File) -> AsyncIterator[bytes]:
    """Pass ``body`` on one block late, and its last block only if the whole has the file's sha256."""
    digest = sha256()
    held = b""
    async for block in body:
        digest.update(block)
        if held:
            yield held
        held = block
    if digest.hexdigest() != file.sha256:
        raise Corrupt(f"the store gave other bytes for file {file.id} than it was given", file=file.id)
    if held:
        yield held
