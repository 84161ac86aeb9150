"""The operator's limits on requests, for one actor and for one address, over all processes together."""

from __future__ import annotations

import asyncio
import random

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.drive import drive
from kist.errors import TooMany
from kist.model.changes import Change, Spend
from kist.model.moments import micros
from kist.service.allowances import MOST_KNOWN, SHARE, Allowances
from kist.service.rates import Rates, TokenBuckets
from kist.testing.clock import FakeClock


class Counting(MemoryCatalogue):
    """Counts what it is asked, and lets others in before it answers."""

    asked = 0

    async def commit(self, *changes: Change) -> None:
        self.asked += any(isinstance(change, Spend) for change in changes)
        await asyncio.sleep(0)
        await super().commit(*changes)


class Overtaken(MemoryCatalogue):
    """Between being asked how much is left and being asked for it, it lends to another."""

    other: Allowances | None = None

    async def term(self, name: str) -> int:
        until = await super().term(name)
        if self.other is not None:
            other, self.other = self.other, None
            assert await other.take("ann") == 0
        return until


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalogue(clock: FakeClock) -> MemoryCatalogue:
    return MemoryCatalogue(clock)


def test_none_are_set(catalogue: MemoryCatalogue, clock: FakeClock) -> None:
    rates = Rates(catalogue, clock)
    for _ in range(10_000):
        drive(rates.count_actor("ann"))
        drive(rates.count_address("1.2.3.4"))


def test_so_many_in_a_minute(catalogue: MemoryCatalogue, clock: FakeClock) -> None:
    rates = Rates(catalogue, clock, per_actor=(3, 60.0))
    for _ in range(3):
        drive(rates.count_actor("ann"))
    with pytest.raises(TooMany) as caught:
        drive(rates.count_actor("ann"))
    assert caught.value.about == {"after": 20}
    drive(rates.count_actor("bob"))
    clock.advance(15)
    other = Rates(catalogue, clock, per_actor=(3, 60.0))
    with pytest.raises(TooMany) as caught:
        drive(other.count_actor("ann"))
    assert caught.value.about == {"after": 5}
    clock.advance(5)
    drive(rates.count_actor("ann"))
    with pytest.raises(TooMany):
        drive(rates.count_actor("ann"))


def test_addresses_have_their_own(catalogue: MemoryCatalogue, clock: FakeClock) -> None:
    rates = Rates(catalogue, clock, per_address=(1, 1.0), per_actor=(1, 1.0))
    drive(rates.count_address("1.2.3.4"))
    drive(rates.count_address("5.6.7.8"))
    drive(rates.count_actor("1.2.3.4"))
    with pytest.raises(TooMany):
        drive(rates.count_address("1.2.3.4"))


@pytest.mark.parametrize("rate", [(7, 60.0), (600, 60.0), (1000, 1.0)])
@pytest.mark.parametrize("seed", range(4))
def test_processes_together_allow_what_is_set(
    catalogue: MemoryCatalogue, clock: FakeClock, rate: tuple[int, float], seed: int
) -> None:
    """However they are spread: never more than one bucket would allow, and to a caller in a hurry nearly all of it."""
    most, seconds = rate
    processes = [Allowances(catalogue, clock, "actor", rate) for _ in range(4)]
    dice, allowed, start = random.Random(seed), 0, clock.ticks()
    while clock.ticks() - start < 3 * seconds:
        for _ in range(dice.randrange(1, max(2, most // 10))):
            allowed += drive(dice.choice(processes).take("ann")) == 0
        clock.advance(dice.random() * seconds / 50)
        assert allowed <= most + most / seconds * (clock.ticks() - start)
    assert allowed > 0.9 * most * (1 + (clock.ticks() - start) / seconds) - most * SHARE


@pytest.mark.parametrize("processes", [1, 4])
def test_a_caller_below_the_limit_is_not_refused(catalogue: MemoryCatalogue, clock: FakeClock, processes: int) -> None:
    """At three quarters of it, for ten minutes, whichever process answers."""
    all_of_them = [Allowances(catalogue, clock, "actor", (600, 60.0)) for _ in range(processes)]
    dice = random.Random(4)
    for _ in range(4500):
        assert drive(dice.choice(all_of_them).take("ann")) == 0
        clock.advance(60 / 450)


async def test_many_at_once(clock: FakeClock) -> None:
    catalogue = Counting(clock)
    processes = [Allowances(catalogue, clock, "actor", (100, 60.0)) for _ in range(3)]
    waits = await asyncio.gather(*(processes[number % 3].take("ann") for number in range(300)))
    assert waits.count(0) == 100


def test_what_is_left_is_lent_though_another_was_quicker(clock: FakeClock) -> None:
    catalogue = Overtaken(clock)

    def process() -> Allowances:
        return Allowances(catalogue, clock, "actor", (100, 60.0))

    most = process()
    for _ in range(80):  # now it borrows ten at a time, and has used them all
        assert drive(most.take("ann")) == 0
    while most._loans["ann"].left:
        assert drive(most.take("ann")) == 0
    while drive(catalogue.term("rate actor ann")) < micros(clock.now()) + 95 * 600_000:
        assert drive(process().take("ann")) == 0
    catalogue.other = process()
    assert drive(most.take("ann")) == 0
    assert most._loans["ann"].size == 4
    assert drive(process().take("ann")) > 0


async def test_it_costs_little(clock: FakeClock) -> None:
    """A caller who makes many requests borrows for many; one who is refused is refused without a question."""
    catalogue = Counting(clock)
    allowances = Allowances(catalogue, clock, "actor", (6000, 60.0))
    for _ in range(6000):
        assert await allowances.take("ann") == 0
    assert catalogue.asked < 60
    assert await allowances.take("ann") > 0
    before = catalogue.asked
    for _ in range(1000):
        assert await allowances.take("ann") > 0
    assert catalogue.asked == before


def test_what_was_borrowed_long_ago_is_not_used(catalogue: MemoryCatalogue, clock: FakeClock) -> None:
    first, second = (Allowances(catalogue, clock, "actor", (100, 60.0)) for _ in range(2))
    for _ in range(30):
        assert drive(first.take("ann")) == 0
    left = first._loans["ann"].left
    assert left > 0
    clock.advance(60)
    taken = 0
    while drive(second.take("ann")) == 0:
        taken += 1
    assert taken == 100
    assert drive(first.take("ann")) > 0


def test_memory_is_bounded(catalogue: MemoryCatalogue, clock: FakeClock) -> None:
    buckets, allowances = TokenBuckets(clock, (1, 1.0)), Allowances(catalogue, clock, "actor", (1, 1.0))
    for number in range(MOST_KNOWN * 2):
        buckets.take(str(number))
        drive(allowances.take(str(number)))
    assert len(buckets._left) == len(allowances._loans) == MOST_KNOWN
