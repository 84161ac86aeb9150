"""Count wrong credentials per address, in bounded memory."""

from __future__ import annotations

from contextlib import AbstractContextManager

from kist.errors import TooMany
from kist.model.origin import origin_of
from kist.ports.system import Clock
from kist.service.allowances import NO_THREADS
from kist.service.rates import TokenBuckets

BURST = 20
SECONDS_EACH = 3.0


class Attempts:
    """A token bucket per address: ``BURST`` wrong tries at once, then one in ``SECONDS_EACH`` seconds.

    Only wrong credentials are counted, after they were judged: with 256 random bits there is nothing to guess, so
    the limit protects the server from the load and never locks out a good key behind the same address. What people
    have chosen can be guessed: there ``check`` comes first, or the one right guess would still be told from the rest.
    """

    def __init__(self, clock: Clock, what: str = "keys", alone: AbstractContextManager[object] = NO_THREADS) -> None:
        self._what = what
        self._buckets = TokenBuckets(clock, (BURST, BURST * SECONDS_EACH), alone)

    def check(self, address: str, at: str = "") -> None:
        """``TooMany`` when the address has no tries left, whatever it would try. ``at``: each thing has its own."""
        self._refuse(self._buckets.wait(f"{origin_of(address)} {at}"))

    def count(self, address: str, at: str = "") -> None:
        """Note one wrong try. ``TooMany`` when the address has no tries left."""
        self._refuse(self._buckets.take(f"{origin_of(address)} {at}"))

    def _refuse(self, wait: float) -> None:
        if wait:
            message = f"too many wrong {self._what} from this address: wait before you try again"
            raise TooMany(message, after=max(1, round(wait)))
