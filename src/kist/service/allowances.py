"""How many requests all processes together allow one caller: lent out by the catalogue, a few at a time."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext

from kist.errors import Clash
from kist.model.changes import Spend
from kist.model.moments import micros
from kist.ports.catalogue import Catalogue
from kist.ports.system import Clock

MOST_KNOWN = 10_000

SHARE = 0.1
"""What is borrowed must be used within this part of the rate's time, and is at most this part of the rate."""
LEAST_WAIT = 0.02
"""Seconds for which a caller who has nothing left is refused without asking again, at least."""
TIME_LIFE = 10.0
"""Seconds after which the catalogue is asked for its time again."""

NO_THREADS: AbstractContextManager[object] = nullcontext()
"""What an event loop takes turns by: it has one thread."""

Rate = tuple[int, float]
"""So many requests in so many seconds."""


class Loan:
    """What a process has borrowed for one caller: ``size`` of which ``left`` are left, good until ``good_until``."""

    __slots__ = ("asked", "begun", "good_until", "left", "refused_until", "size")

    def __init__(self) -> None:
        self.size = self.left = 0
        self.begun = self.good_until = self.refused_until = float("-inf")
        self.asked = False


class Allowances:
    """A token bucket for each name in the catalogue; ``rate`` says how much it holds and how fast it fills again.

    What is lent is taken out of the bucket first, so all processes together never allow more. A caller who makes few
    requests costs a commit for each, one who makes many a commit for up to a tenth of the rate. ``alone``: what threads
    that share it take turns by.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        kind: str,
        rate: Rate,
        alone: AbstractContextManager[object] = NO_THREADS,
    ) -> None:
        most, seconds = rate
        self._catalogue = catalogue
        self._clock = clock
        self._kind = kind
        self._alone = alone
        self._each = max(1, round(seconds * 1_000_000 / most))
        self._whole = self._each * most
        self._life = seconds * SHARE
        self._largest = max(1, int(most * SHARE))
        self._loans: OrderedDict[str, Loan] = OrderedDict()
        self._ahead, self._time_good_until = 0, float("-inf")

    async def take(self, name: str) -> float:
        """Take one; 0, or the seconds to wait when there is none left."""
        now = self._clock.ticks()
        term = f"rate {self._kind} {name}"
        with self._alone:
            loan = self._loan(name)
            if loan.left and now < loan.good_until:
                loan.left -= 1
                return 0.0
            if now < loan.refused_until:
                return loan.refused_until - now
            others = loan.asked  # then this request borrows for itself alone
            if not others:
                loan.asked, size = True, self._size(loan, now)
        if others:
            return (await self._lent(term, 1))[1]
        return await self._borrow(term, loan, size)

    def _loan(self, name: str) -> Loan:
        loan = self._loans.setdefault(name, Loan())
        self._loans.move_to_end(name)
        if len(self._loans) > MOST_KNOWN:
            self._loans.popitem(last=False)
        return loan

    async def _borrow(self, term: str, loan: Loan, size: int) -> float:
        """Borrow for this request and for those that will follow it."""
        begun = self._clock.ticks()
        lent = 0
        try:
            lent, wait = await self._lent(term, size)
        finally:
            with self._alone:
                loan.asked = False
                if lent:
                    loan.size, loan.left, loan.begun, loan.good_until = lent, lent - 1, begun, begun + self._life
        if not lent:
            loan.refused_until = self._clock.ticks() + max(wait, LEAST_WAIT)
        return wait

    def _size(self, loan: Loan, now: float) -> int:
        """A little more than what was used of the last loan, so that little of it stays unused."""
        if now - loan.begun > 2 * self._life:
            return 1
        used = loan.size - loan.left
        return min(self._largest, used + max(1, used // 4))

    async def _lent(self, term: str, size: int) -> tuple[int, float]:
        """How many could be borrowed, of ``size`` that are wanted, and the seconds to wait where none could be."""
        at = await self._time()
        if await self._spent(term, size, at):
            return size, 0.0
        while True:
            until = max(at, await self._catalogue.term(term))
            free = min(size, (at + self._whole - until) // self._each)
            if free < 1:
                return 0, max(1, until + self._each - self._whole - at) / 1_000_000
            if await self._spent(term, free, at):
                return free, 0.0

    async def _spent(self, term: str, count: int, at: int) -> bool:
        try:
            await self._catalogue.commit(
                Spend(term=term, by=count * self._each, at=at, at_most=at + self._whole),
            )
        except Clash:
            return False
        return True

    async def _time(self) -> int:
        """The catalogue's time in microseconds, at most as late as it is."""
        if self._clock.ticks() > self._time_good_until:
            now = micros(await self._catalogue.now())
            self._ahead = now - round(self._clock.ticks() * 1_000_000)
            self._time_good_until = self._clock.ticks() + TIME_LIFE
        return round(self._clock.ticks() * 1_000_000) + self._ahead
