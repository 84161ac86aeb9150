"""List a large bucket in several ranges of keys at a time.

Each page tells where the next one begins, so one after the other they take as many round trips as there are pages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import pairwise

from kist.ports.tree import Item, Tree, Trouble
from kist.sync.bucket import BucketTree

FEW = 4
"""Batches that come one after the other before anything more is asked of the store: small buckets end there."""
RANGE = 4000
"""Keys in a range, where they still are as the manifest has them: four pages of S3."""
AT_ONCE = 8
HELD = 8
"""Batches of a range that wait until it is their turn: of a range that has grown, the rest waits at the store."""

Batch = list[Item | Trouble]
Marks = Callable[[str], Awaitable[Sequence[str]]]
"""Keys greater than the given one, about ``RANGE`` apart: any will do, but the closer to that the better."""


async def listed(tree: Tree, marks: Marks) -> AsyncGenerator[Batch, None]:
    """All there is in ``tree``, by key, as ``Tree.items`` says; what lies behind ``marks`` is on its way early.

    Whatever of it cannot be listed to its end raises, in its turn.
    """
    if not isinstance(tree, BucketTree) or not tree.remote:
        async for batch in tree.items():
            yield batch
        return
    count, last = 0, ""
    async with aclosing(tree.items()) as pages:
        async with aclosing(_one_ahead(_some(pages, FEW))) as chain:
            async for batch in chain:
                yield batch
                count, last = count + 1, batch[-1].key
        found = await marks(last) if count == FEW else ()
        if not found:
            async with aclosing(_one_ahead(pages)) as chain:
                async for batch in chain:
                    yield batch
            return
    async with aclosing(_in_ranges(tree, [last, *found])) as rest:
        async for batch in rest:
            yield batch


async def _one_ahead(pages: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch, None]:
    """All of ``pages``, the next one or two of them on their way while one is looked at."""
    coming = _Coming(pages, held=1)
    try:
        while (batch := await coming.next()) is not None:
            yield batch
    finally:
        await coming.close()


async def _some(pages: AsyncGenerator[Batch, None], most: int) -> AsyncGenerator[Batch, None]:
    """The next of ``pages``, which can be gone on with afterwards."""
    for _ in range(most):
        if (batch := await anext(pages, None)) is None:
            return
        yield batch


async def _in_ranges(tree: BucketTree, marks: Sequence[str]) -> AsyncGenerator[Batch, None]:
    """What lies behind the first of ``marks``: a range up to each of the others, and one to the end."""
    waiting = iter([*pairwise(marks), (marks[-1], None)])
    under_way: deque[_Coming] = deque()
    try:
        while True:
            while len(under_way) < AT_ONCE and (ends := next(waiting, None)) is not None:
                under_way.append(_Coming(tree.items(*ends), HELD))
            if not under_way:
                return
            while (batch := await under_way[0].next()) is not None:
                yield batch
            under_way.popleft()
    finally:
        for each in under_way:
            await each.close()


class _Coming:
    """Batches that are listed while nobody waits for them yet, up to so many."""

    def __init__(self, batches: AsyncGenerator[Batch, None], held: int) -> None:
        self._batches = batches
        self._come: asyncio.Queue[Batch | Exception | None] = asyncio.Queue(held)
        self._listing = asyncio.create_task(self._list())

    async def next(self) -> Batch | None:
        """The next batch, None behind the last. What has gone wrong is raised where the listing broke off."""
        come = await self._come.get()
        if isinstance(come, Exception):
            raise come
        return come

    async def close(self) -> None:
        self._listing.cancel()
        await asyncio.gather(self._listing, return_exceptions=True)

    async def _list(self) -> None:
        try:
            async with aclosing(self._batches) as batches:
                async for batch in batches:
                    await self._come.put(batch)
            await self._come.put(None)
        except Exception as error:  # told to whoever waits for the rest
            await self._come.put(error)
