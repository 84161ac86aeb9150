"""How long it is worth waiting for a store that cannot just now."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kist.errors import StoreUnavailable
from kist.ports.system import Clock

T = TypeVar("T")

TRIES = 5
OUTAGE = 15 * 60.0
"""Seconds for which a store may be gone before the job gives up."""
_FIRST = 0.5
_LONGEST = 20.0


class Patience:
    """A store that serves others is asked a few times more, one that serves nobody for a quarter of an hour.

    The store's own client has tried several times already before each ``StoreUnavailable`` that is seen here.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._went_well = -math.inf

    async def over(self, work: Callable[[], Awaitable[T]], refused: Callable[[], None] = lambda: None) -> T:
        """Do ``work``, again while that may help. ``refused`` is told of each time that it could not be done."""
        first, tries = math.inf, 0
        while True:
            try:
                done = await work()
            except StoreUnavailable:
                refused()
                now, tries = self._clock.ticks(), tries + 1
                first = min(first, now)
                if (tries >= TRIES and self._went_well >= first) or now - first >= OUTAGE:
                    raise
                await self._clock.pause(min(_LONGEST, _FIRST * 2.0 ** (tries - 1)))
            else:
                self._went_well = self._clock.ticks()
                return done
