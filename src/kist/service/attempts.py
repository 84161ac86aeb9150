"""Count wrong credentials per address, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict

from kist.errors import TooMany
from kist.ports.system import Clock

BURST = 20
SECONDS_EACH = 3.0
MAX_ADDRESSES = 10_000


class Attempts:
    """A token bucket per address: ``BURST`` wrong tries at once, then one in ``SECONDS_EACH`` seconds.

    Only wrong credentials are counted, after they were judged: with 256 random bits there is nothing to guess, so
    the limit protects the server from the load and never locks out a good key behind the same address.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, address: str) -> None:
        """Note one wrong try. ``TooMany`` when the address has no tries left."""
        now = self._clock.ticks()
        left, since = self._buckets.pop(address, (float(BURST), now))
        left = min(float(BURST), left + (now - since) / SECONDS_EACH)
        allowed = left >= 1
        self._buckets[address] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if not allowed:
            after = max(1, round((1 - left) * SECONDS_EACH))
            raise TooMany("too many wrong keys from this address: wait before you try again", after=after)
