"""How many requests one actor and one address may make, and token buckets for what each process counts by itself."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager

from kist.errors import TooMany
from kist.model.origin import origin_of
from kist.ports.catalogue import Catalogue
from kist.ports.system import Clock
from kist.service.allowances import MOST_KNOWN, NO_THREADS, Allowances, Rate


class TokenBuckets:
    """A token bucket by name: ``rate`` says how much it holds and how fast it fills again.

    ``alone``: what threads that share it take turns by.
    """

    def __init__(self, clock: Clock, rate: Rate, alone: AbstractContextManager[object] = NO_THREADS) -> None:
        self._clock = clock
        self._alone = alone
        self._most, seconds = rate
        self._each = seconds / self._most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one; 0, or the seconds to wait when there is none left."""
        with self._alone:
            left = self._filled(name)
            allowed = left >= 1
            self._keep(name, left - 1 if allowed else left)
        return 0.0 if allowed else (1 - left) * self._each

    def give_back(self, name: str) -> None:
        """Put one back that was taken for nothing."""
        with self._alone:
            self._keep(name, min(float(self._most), self._filled(name) + 1))

    def _keep(self, name: str, left: float) -> None:
        self._left[name] = (left, self._clock.ticks())
        self._left.move_to_end(name)
        if len(self._left) > MOST_KNOWN:
            self._left.popitem(last=False)

    def _filled(self, name: str) -> float:
        """How many are left, with what has flowed in since the last was taken."""
        now = self._clock.ticks()
        left, since = self._left.get(name, (float(self._most), now))
        return min(float(self._most), left + (now - since) / self._each)


class Rates:
    """The operator's limits on requests, for all processes that share the catalogue; none where none are set."""

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        *,
        per_actor: Rate | None = None,
        per_address: Rate | None = None,
        alone: AbstractContextManager[object] = NO_THREADS,
    ) -> None:
        self._actors = None if per_actor is None else Allowances(catalogue, clock, "actor", per_actor, alone)
        self._addresses = None if per_address is None else Allowances(catalogue, clock, "address", per_address, alone)

    async def count_address(self, address: str) -> None:
        """Note a request from ``address``. ``TooMany`` when it has made too many."""
        if self._addresses is not None:
            _refuse(await self._addresses.take(origin_of(address)), "your address makes")

    async def count_actor(self, actor: str) -> None:
        """Note a request of the actor with this id. ``TooMany`` when they have made too many."""
        if self._actors is not None:
            _refuse(await self._actors.take(actor), "you make")


def _refuse(wait: float, who: str) -> None:
    if wait:
        raise TooMany(f"{who} too many requests: slow down", after=max(1, round(wait)))
