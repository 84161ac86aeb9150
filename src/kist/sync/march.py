"""Walk several sorted streams side by side, in constant memory. Nothing is decided here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from kist.errors import Broken
from kist.model.job import Entry
from kist.ports.tree import Item, Trouble
from kist.sync.together import together


class Keyed(Protocol):
    @property
    def key(self) -> str:
        """Where it lies."""


K = TypeVar("K", bound=Keyed)


class Met(NamedTuple):
    """What the streams have at one key."""

    key: str
    source: Item | Trouble | None
    dest: Item | Trouble | None
    entry: Entry | None


class Ahead(Generic[K]):
    """A stream of batches. While one is worked on, the next is on its way.

    The order is checked: a listing that goes back would delete.
    """

    def __init__(self, batches: AsyncIterator[list[K]], what: str) -> None:
        self._batches = batches
        self._what = what
        self._last = ""
        self._coming: asyncio.Task[list[K] | None] | None = None
        self.batch: list[K] = []
        self.at = 0
        self.ended = False

    async def fill(self) -> None:
        """Take the next batch when all of this one is done; ``ended`` behind the last."""
        if self.ended or self.at < len(self.batch):
            return
        batch: list[K] | None = []
        while batch is not None and not batch:  # an empty batch is not yet the end
            coming = self._coming or asyncio.create_task(self._next())
            self._coming = None
            batch = await coming
        self.batch, self.at, self.ended = batch or [], 0, batch is None
        self._check()
        if not self.ended:
            self._coming = asyncio.create_task(self._next())

    async def reach(self, key: str) -> K | None:
        """The one at ``key``, which comes after all that were asked for; what lies before it is passed over."""
        while True:
            await self.fill()
            if self.ended:
                return None
            found = self.batch[self.at]
            if found.key >= key:
                return found if found.key == key else None
            self.at += 1

    async def close(self) -> None:
        """Give up what is on its way, and what it is read from."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)
        if isinstance(self._batches, AsyncGenerator):
            await self._batches.aclose()

    async def _next(self) -> list[K] | None:
        return await anext(self._batches, None)

    def _check(self) -> None:
        last = self._last
        for found in self.batch:
            if found.key <= last:
                raise Broken(f"{self._what} is listed out of order: {found.key!r} comes after {last!r}")
            last = found.key
        self._last = last


async def march(
    source: AsyncIterator[list[Item | Trouble]],
    dest: AsyncIterator[list[Item | Trouble]],
    manifest: AsyncIterator[list[Entry]],
) -> AsyncGenerator[list[Met], None]:
    """Every key that any of them has, in order, in batches. ``Broken`` when a stream is not sorted."""
    here, there, known = Ahead(source, "the source"), Ahead(dest, "the destination"), Ahead(manifest, "the manifest")
    try:
        while True:
            async with together() as start:
                for fill in (here.fill(), there.fill(), known.fill()):
                    start(fill)
            await asyncio.sleep(0)  # what was asked for goes out before this batch is worked on
            met = _merged(here, there, known)
            if not met:
                return
            yield met
    finally:
        for stream in (here, there, known):
            await stream.close()


def _merged(here: Ahead[Item | Trouble], there: Ahead[Item | Trouble], known: Ahead[Entry]) -> list[Met]:
    """As far as can be told until one of them needs its next batch."""
    met: list[Met] = []
    while True:
        source = here.batch[here.at] if here.at < len(here.batch) else None
        dest = there.batch[there.at] if there.at < len(there.batch) else None
        entry = known.batch[known.at] if known.at < len(known.batch) else None
        if (
            (source is None and not here.ended)
            or (dest is None and not there.ended)
            or (entry is None and not known.ended)
        ):
            return met
        keys = [head.key for head in (source, dest, entry) if head is not None]
        if not keys:
            return met
        key = min(keys)
        if source is not None:
            if source.key == key:
                here.at += 1
            else:
                source = None
        if dest is not None:
            if dest.key == key:
                there.at += 1
            else:
                dest = None
        if entry is not None:
            if entry.key == key:
                known.at += 1
            else:
                entry = None
        met.append(Met(key, source, dest, entry))
