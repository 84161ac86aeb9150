"""The sha256 of files whose bytes did not pass through Kist: filled in later, by reading them once."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress

import msgspec

from kist.errors import Clash, KistError
from kist.model.changes import Swap
from kist.model.file import File
from kist.service.ports import Ports

ENOUGH = 1 << 30
"""Bytes after which a run ends: other duties wait for it, and the next run goes on."""
BATCH = 100

log = logging.getLogger("kist")


class Digests:
    """Reads and hashes."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._after = ""
        """Where the last run ended: files that cannot be read shall not keep the others waiting."""

    async def fill(self) -> int:
        """Give files their sha256, until a gibibyte has been read. Returns how many got theirs."""
        filled = read = 0
        while read < ENOUGH:
            batch = await self._ports.catalogue.undigested(BATCH, self._after)
            if not batch:
                self._after = ""
                break
            for file in batch:
                filled += await self._fill(file)
                read += file.size
                self._after = file.id
                if read >= ENOUGH:
                    break
        return filled

    async def _fill(self, file: File) -> bool:
        """Whether it has its digest now. One that was replaced meanwhile waits for the next run."""
        try:
            digest = await self._digest(file)
        except KistError as error:  # the audit tells of bytes that are missing
            log.warning("file %s could not be hashed: %s", file.id, error.message)
            return False
        with suppress(Clash):
            known: File = msgspec.structs.replace(file, sha256=digest)
            await self._ports.catalogue.commit(Swap(file, known))
            return True
        return False

    async def _digest(self, file: File) -> str:
        digest = hashlib.sha256()
        opened = await self._ports.store.open(file.place)
        try:
            async for block in opened.body:
                digest.update(block)
        finally:
            await opened.close()
        return digest.hexdigest()
