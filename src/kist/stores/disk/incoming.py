"""A body coming in: one block is written while the next is received, and a small body is stored in one step."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable
from contextlib import suppress
from typing import Generic, TypeVar

from kist.errors import Incomplete
from kist.ports.wiring import Aside
from kist.stores.disk.reader import Reader
from kist.stores.disk.temporary import Temporary

T = TypeVar("T")

GATHERED = 1024 * 1024
"""Bytes that are collected before they are written. Twice as many are in memory at most."""


class Incoming(Generic[T]):
    """Feeds a temporary file by way of ``aside``. End it by ``finish``, or by ``give_up`` on any error."""

    def __init__(self, draft: Temporary[T], aside: Aside) -> None:
        self._draft = draft
        self._aside = aside
        self._gathered: list[bytes] = []
        self._held = 0
        self._writing: Awaitable[object] | None = None

    async def receive(self, body: AsyncIterable[bytes], size: int | None) -> None:
        """Take the whole body. ``Incomplete`` when it has another size than was declared."""
        came = 0
        async for block in body:
            came += len(block)
            if size is not None and came > size:
                break
            if self._held and self._held + len(block) > GATHERED:
                await self._write()
            self._gathered.append(block)
            self._held += len(block)
        if size is not None and came != size:
            raise Incomplete(f"{size} bytes were declared and another number came", size=size)

    async def take(self, source: Reader) -> None:
        """Take what is left of another file, without its bytes passing through this process."""
        while source.start < source.stop:
            await self._aside(self._draft.take, source)

    async def finish(self, modified: int) -> T:
        """Put the file in its place, durably."""
        await self._written()
        return await self._aside(self._draft.finish, self._gathered, modified)

    async def give_up(self, error: BaseException) -> None:
        """Leave nothing behind after ``error``."""
        self._draft.refuse()
        if isinstance(error, GeneratorExit):
            self._draft.drop()  # a coroutine that is thrown away may not wait any more
            return
        with suppress(BaseException):  # ``error`` came first; it is the one to report
            await self._written()
        if self._draft.begun:
            await self._aside(self._draft.drop)

    async def _write(self) -> None:
        """Hand over what is gathered: an ``aside`` that uses threads begins at once, and nobody waits for it here."""
        await self._written()
        full, self._gathered, self._held = self._gathered, [], 0
        self._writing = self._aside(self._draft.write, full)

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing
