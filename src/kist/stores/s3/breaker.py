"""Stop asking a server that is gone, so that requests fail at once instead of piling up behind its deadlines."""

from __future__ import annotations

import math

from kist.errors import StoreUnavailable
from kist.ports.system import Clock

_FAILURES = 5
_FAILING_FOR = 2.0
_FIRST_REST = 1.0
_LONGEST_REST = 4.0


class Breaker:
    """Opens when nothing but failures has come for 2 seconds, at least 5 in a row; a success closes it.

    While it is open, requests are refused for 1 second, then one is let through to see; each failure of that one
    doubles the rest, up to 4 seconds. Shared by threads without a lock: what two of them do to each other is over with
    the next answer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._failing_since = math.inf
        self._rest = 0.0
        self._opens_at = 0.0

    def enter(self) -> float:
        """Called before a request; returns when it began. ``StoreUnavailable`` while the server rests."""
        now = self._clock.ticks()
        if self._rest:
            wait = self._opens_at - now
            if wait > 0:
                raise StoreUnavailable("the object store is not reachable just now", after=math.ceil(wait))
            self._opens_at = now + self._rest  # whoever comes next waits for what becomes of this one
        return now

    def failed(self, began: float) -> None:
        """A request that began at ``began`` did not get any answer."""
        now = self._clock.ticks()
        self._failures += 1
        self._failing_since = min(self._failing_since, began)
        if self._failures >= _FAILURES and now - self._failing_since >= _FAILING_FOR:
            self._rest = min(max(self._rest * 2, _FIRST_REST), _LONGEST_REST)
            self._opens_at = now + self._rest

    def answered(self) -> None:
        """The server answered, whatever it said."""
        if self._failures or self._rest:
            self._failures = 0
            self._failing_since = math.inf
            self._rest = 0.0
