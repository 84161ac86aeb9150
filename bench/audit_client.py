"""Audits a database against a store that lists as many objects as it has rows, and prints what that cost this process.

    python -m bench.audit_client DATABASE COUNT

Objects are made up one by one from numbers, none is kept. The first thousand rows have no object, and the last thousand
objects have no row, so that what an audit remembers of its findings is part of its memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
from bench.listing import made_up_files
from bench.machine import peak_rss

from kist.asgi.serving import run
from kist.catalogues.sqlite import open_catalogue
from kist.detection import detect
from kist.model.content import Listed, OpenParts
from kist.model.file import File
from kist.model.limits import Limits
from kist.model.place import OBJECTS
from kist.service.audit import Audit
from kist.service.gate import OwnerGate
from kist.service.ports import Ports
from kist.stores.memory import MemoryStore
from kist.system import SystemClock, SystemIds

BUCKET = "base"
OFF = 1000
"""By how many the objects begin and end later than the rows."""
_STRIDE = 611_953
"""Prime: steps of this size visit every number, and neighbours by key lie far apart in the table."""


def files(count: int) -> Iterator[File]:
    """Rows for the objects 0 to ``count``, in no order."""
    for at, file in enumerate(made_up_files(count)):
        number = at * _STRIDE % count
        yield msgspec.structs.replace(file, bucket=BUCKET, key=_key(number), size=_size(number))


def _key(number: int) -> str:
    return f"{OBJECTS}{number:032x}"


def _size(number: int) -> int:
    return number % 1000 + 1


class Numbers(MemoryStore):
    """An empty store that lists objects which it does not hold."""

    def __init__(self, count: int) -> None:
        super().__init__(SystemClock(), SystemIds())
        self._count = count

    async def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        nothing: tuple[OpenParts, ...] = ()
        for none in nothing:
            yield none

    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        long_ago = SystemClock().now() - timedelta(days=30)
        for number in range(OFF, self._count + OFF):
            yield Listed(key=_key(number), size=_size(number), etag=f"{number:032x}", modified=long_ago)


async def main(path: Path, count: int) -> None:
    catalogue = await open_catalogue(path, SystemClock())
    ports = Ports(
        store=Numbers(count),
        catalogue=catalogue,
        gate=OwnerGate(),
        clock=SystemClock(),
        ids=SystemIds(),
        detect=detect,
        limits=Limits(),
        bucket=BUCKET,
        secret=b"",
    )
    idle, begun = peak_rss(os.getpid()), time.perf_counter()
    report = await Audit(ports).run()
    seconds = time.perf_counter() - begun
    found = {"seconds": seconds, "idle": idle / 2**20, "peak": peak_rss(os.getpid()) / 2**20}
    counts = {name: getattr(report, name) for name in ("files", "objects", "lost", "differs", "strays")}
    print(json.dumps(found | counts))
    await catalogue.close()


if __name__ == "__main__":
    run(main(Path(sys.argv[1]), int(sys.argv[2])))
