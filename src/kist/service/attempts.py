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

    Only wrong keys are counted, after they were judged: with 256 random bits there is nothing to guess, so the limit
    protects the server from the load and never locks out a good key behind the same address. What people have chosen
    can be guessed, by many at once: there every try is counted before it is judged, and the right one forgiven.
    """

    def __init__(self, clock: Clock, what: str = "keys", alone: AbstractContextManager[object] = NO_THREADS) -> None:
        self._what = what
        self._buckets = TokenBuckets(clock, (BURST, BURST * SECONDS_EACH), alone)

    def count(self, address: str, at: str = "") -> None:
        """Note one try. ``TooMany`` when the address has none left. ``at``: each thing has tries of its own."""
        if wait := self._buckets.take(f"{origin_of(address)} {at}"):
            message = f"too many wrong {self._what} from this address: wait before you try again"
            raise TooMany(message, after=max(1, round(wait)))

    def forgive(self, address: str, at: str = "") -> None:
        """The last try that was counted was right."""
        self._buckets.give_back(f"{origin_of(address)} {at}")
