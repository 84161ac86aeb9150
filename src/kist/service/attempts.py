"""Count wrong credentials per address, in bounded memory."""

from __future__ import annotations

from kist.errors import TooMany
from kist.ports.system import Clock
from kist.service.rates import Buckets

BURST = 20
SECONDS_EACH = 3.0


class Attempts:
    """A token bucket per address: ``BURST`` wrong tries at once, then one in ``SECONDS_EACH`` seconds.

    Only wrong credentials are counted, after they were judged: with 256 random bits there is nothing to guess, so
    the limit protects the server from the load and never locks out a good key behind the same address.
    """

    def __init__(self, clock: Clock, what: str = "keys") -> None:
        self._what = what
        self._buckets = Buckets(clock, (BURST, BURST * SECONDS_EACH))

    def count(self, address: str) -> None:
        """Note one wrong try. ``TooMany`` when the address has no tries left."""
        wait = self._buckets.take(address)
        if wait:
            message = f"too many wrong {self._what} from this address: wait before you try again"
            raise TooMany(message, after=max(1, round(wait)))
