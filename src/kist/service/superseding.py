"""One address, one ready file: the one that becomes ready last takes the place of the one before it."""

from __future__ import annotations

import msgspec

from kist.model.changes import Change, Swap
from kist.model.file import File, FileState
from kist.service.accounts import freed
from kist.service.outbox import doomed_after_reads
from kist.service.ports import Ports


async def superseded(ports: Ports, file: File) -> list[Change]:
    """What removes another file that has the address of ``file``; nothing where there is none.

    New content goes into the file that is there; two are at one address only when both were begun before either was
    ready.
    """
    if file.address is None:
        return []
    before = (await ports.catalogue.addressed(file.bucket, [file.address])).get(file.address)
    if before is None or before.id == file.id:
        return []
    after: File = msgspec.structs.replace(before, state=FileState.REMOVED, updated_at=ports.clock.now())
    return [Swap(before, after), doomed_after_reads(ports, before), *freed(before, ports.limits)]
