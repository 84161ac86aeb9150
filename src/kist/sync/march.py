"""Walk several sorted streams side by side, in constant memory. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from kist.errors import Broken
from kist.model.job import Entry
from kist.ports.tree import Item, Trouble


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
    """A stream of batches with its next one in sight. The order is checked: a listing that goes back would delete."""

    def __init__(self, batches: AsyncIterator[list[K]], what: str) -> None:
        self._batches = batches
        self._batch: list[K] = []
        self._at = 0
        self._last = ""
        self._what = what
        self.next: K | None = None

    async def step(self) -> None:
        """Go on to the next one; ``next`` is None behind the last."""
        while self._at == len(self._batch):
            batch = await anext(self._batches, None)
            if batch is None:
                self.next = None
                return
            self._batch, self._at = batch, 0  # an empty batch is not yet the end
        found = self._batch[self._at]
        self._at += 1
        if found.key <= self._last:
            raise Broken(f"{self._what} is listed out of order: {found.key!r} comes after {self._last!r}")
        self._last = found.key
        self.next = found


async def march(
    source: AsyncIterator[list[Item | Trouble]],
    dest: AsyncIterator[list[Item | Trouble]],
    manifest: AsyncIterator[list[Entry]],
) -> AsyncIterator[Met]:
    """Every key that any of them has, in order. ``Broken`` when a stream is not sorted."""
    here, there, known = Ahead(source, "the source"), Ahead(dest, "the destination"), Ahead(manifest, "the manifest")
    for stream in (here, there, known):
        await stream.step()
    while True:
        heads = [stream.next.key for stream in (here, there, known) if stream.next is not None]
        if not heads:
            return
        key = min(heads)
        from_source = here.next if here.next is not None and here.next.key == key else None
        from_dest = there.next if there.next is not None and there.next.key == key else None
        entry = known.next if known.next is not None and known.next.key == key else None
        yield Met(key, from_source, from_dest, entry)
        if from_source is not None:
            await here.step()
        if from_dest is not None:
            await there.step()
        if entry is not None:
            await known.step()
