"""Which files have the same bytes at both ends. What was found the same is not read again before either has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from kist.errors import ObjectMissing, Stale
from kist.model.changes import Change, Drop, Keep
from kist.model.job import Compared
from kist.ports.catalogue import Catalogue
from kist.ports.system import Clock
from kist.ports.tree import Item, Tree
from kist.sync.march import Ahead
from kist.sync.together import together

PAGE = 1000
SETTLED = 120.0
"""Seconds after its last change from which on a file cannot change once more without its times telling.

What writes to memory that is mapped to a file moves its times only with the first write to each page that is clean, and
Linux writes pages back, which makes them clean, within some 35 seconds. The clocks of file systems are coarse as well.
"""

Pair = tuple[Item, Item]
SameBytes = Callable[[Item, Item], Awaitable[bool]]


class Comparer:
    """Compares files of ``source`` and ``dest``, in the order of keys, for the sync that the catalogue calls ``sync``.

    ``changes``: what is to be written down of it. Rows of files that nobody asks about any more go.
    """

    def __init__(
        self, catalogue: Catalogue, clock: Clock, sync: str, source: Tree, dest: Tree, same_bytes: SameBytes
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._sync = sync
        self._source = source
        self._dest = dest
        self._same_bytes = same_bytes
        self._known = Ahead(self._rows(), "what was compared")
        self._asked = ""
        self.changes: list[Change] = []

    async def same(self, pairs: Sequence[Pair]) -> dict[str, bool | None]:
        """Whether the bytes of each pair are the same, by key; None where one of them changes meanwhile."""
        before = {source.key: await self._remembered(source.key) for source, _ in pairs}
        now = await self._prints(pairs)
        found: dict[str, bool | None] = {
            key: True for key, row in now.items() if row is not None and row == before[key]
        }
        unknown = [pair for pair in pairs if pair[0].key not in found]
        async with together() as start:
            reading: list[tuple[str, asyncio.Task[bool | None]]] = [
                (pair[0].key, start(self._read(pair))) for pair in unknown
            ]
        for key, task in reading:
            found[key] = task.result()
            self._write_down(found[key], before[key], now[key])
        return found

    async def end(self) -> None:
        """All was asked about: the rows that are left are of files that are no more, or no longer compared."""
        while (row := await self._next()) is not None:
            self._pass_over(row)

    async def close(self) -> None:
        """Give up what is on its way from the catalogue."""
        await self._known.close()

    async def _read(self, pair: Pair) -> bool | None:
        try:
            return await self._same_bytes(*pair)
        except (Stale, ObjectMissing):  # one file that is being changed does not stop the rest
            return None

    async def _prints(self, pairs: Sequence[Pair]) -> dict[str, Compared | None]:
        """What is to be remembered of each pair if it is the same, by key; None where nothing can be relied upon."""
        here = await prints_of(self._source, [source for source, _ in pairs], self._clock)
        there = await prints_of(self._dest, [dest for _, dest in pairs], self._clock)
        return {
            source.key: Compared(sync=self._sync, key=source.key, source=one, dest=other) if one and other else None
            for (source, _), one, other in zip(pairs, here, there, strict=True)
        }

    def _write_down(self, same: bool | None, before: Compared | None, now: Compared | None) -> None:
        if same and now is not None:
            self.changes.append(Keep(now))
        elif before is not None:
            self.changes.append(Drop(before))

    async def _remembered(self, key: str) -> Compared | None:
        while (row := await self._next()) is not None and row.key < key:
            self._pass_over(row)
        self._asked = key
        if row is None or row.key > key:
            return None
        self._known.at += 1
        return row

    async def _next(self) -> Compared | None:
        await self._known.fill()
        return None if self._known.ended else self._known.batch[self._known.at]

    def _pass_over(self, row: Compared) -> None:
        self._known.at += 1
        if row.key > self._asked:  # else it was written just now, and read again
            self.changes.append(Drop(row))

    async def _rows(self) -> AsyncIterator[list[Compared]]:
        after = ""
        while rows := await self._catalogue.compared(self._sync, PAGE, after):
            yield list(rows)
            after = rows[-1].key


async def prints_of(tree: Tree, items: Sequence[Item], clock: Clock) -> list[str]:
    """The prints of ``items``, empty where they cannot be relied upon by now. Take them before the bytes are read."""
    return await tree.prints(items, int((clock.now().timestamp() - SETTLED) * 1e9))
