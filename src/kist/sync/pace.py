"""How many operations run at a time, and how many bytes a second: as many as the storage bears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kist.ports.system import Clock

FIRST = 32
MOST = 64
LEAST = 2


class Pace:
    """Lets operations through. ``at_once`` fixes their number; else it grows while all goes well and halves when not.

    ``rate`` in bytes a second, None for no limit.
    """

    def __init__(self, clock: Clock, *, at_once: int | None = None, rate: int | None = None) -> None:
        self._clock = clock
        self._fixed = at_once is not None
        self._allowed = at_once or FIRST
        self._running = 0
        self._free = asyncio.Event()
        self._free.set()
        self._good = 0
        self._rate = rate
        self._next_byte = 0.0

    async def begin(self) -> None:
        """Wait until one more operation may run, and count it; ``end`` when it is over."""
        while self._running >= self._allowed:
            self._free.clear()
            await self._free.wait()
        self._running += 1

    def end(self) -> None:
        """An operation is over, however it went."""
        self._running -= 1
        self._free.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One operation, from ``begin`` to ``end``."""
        await self.begin()
        try:
            yield
        finally:
            self.end()

    def went_well(self) -> None:
        """An operation was answered: after as many as run at a time, one more may."""
        self._good += 1
        if not self._fixed and self._good >= self._allowed:
            self._good, self._allowed = 0, min(MOST, self._allowed + 1)

    def was_refused(self) -> None:
        """The storage could not: half as many from now on."""
        if not self._fixed:
            self._good, self._allowed = 0, max(LEAST, self._allowed // 2)

    async def pass_bytes(self, count: int) -> None:
        """Wait until ``count`` bytes more may pass."""
        if self._rate is None:
            return
        now = self._clock.ticks()
        self._next_byte = max(self._next_byte, now) + count / self._rate
        if self._next_byte > now:
            await self._clock.pause(self._next_byte - now)
