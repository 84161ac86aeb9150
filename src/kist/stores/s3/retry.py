"""How long to wait before asking again: full jitter, so that many clients do not come back all at once."""

from __future__ import annotations

from kist.errors import StoreUnavailable
from kist.ports.system import Clock, Ids

TRIES = 5
_FIRST = 0.2
_LONGEST = 20.0


class Backoff:
    """At most 5 tries; a random pause of up to 0.2, 0.4, 0.8 … 20 seconds, and not less than the server asks for."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    def begin(self, stop: float) -> Tries:
        """The tries of one request, the first of which has failed. None begins after ``stop`` (clock ticks)."""
        return Tries(self._clock, self._ids, stop)


class Tries:
    """The tries of one request."""

    __slots__ = ("_clock", "_count", "_ids", "_stop")

    def __init__(self, clock: Clock, ids: Ids, stop: float) -> None:
        self._clock = clock
        self._ids = ids
        self._count = 1
        self._stop = stop

    async def again(self, failure: StoreUnavailable) -> None:
        """Come back when it is time for the next try; raise ``failure`` when there is to be none."""
        pause = self._ids.fraction() * min(_LONGEST, _FIRST * 2.0 ** (self._count - 1))
        after = failure.about.get("after")
        if isinstance(after, int):
            pause += after
        if self._count >= TRIES or self._clock.ticks() + pause > self._stop:
            raise failure
        self._count += 1
        await self._clock.pause(pause)
