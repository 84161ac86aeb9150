"""Of all processes that share a catalogue, one does a chore at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.service.world import World

from kist.app import join
from kist.chores import turn
from kist.chores.chore import Chore
from kist.chores.schedule import run_schedule
from kist.chores.turn import run_in_turn
from kist.errors import CatalogueBusy
from kist.model.changes import Hold, Lapse, Spend
from kist.model.moments import micros
from kist.service.kist import Kist
from kist.service.turns import TERM
from kist.system import SystemClock


@pytest.fixture
def world() -> World:
    return World()


class Duty:
    """A chore that takes a while, and notes who was at it and how many at once."""

    def __init__(self, seconds: float = 0.05, *, everywhere: bool = False) -> None:
        self._seconds = seconds
        self.chore = Chore("duty", timedelta(seconds=0.02), self._run, everywhere)
        self.at_work = self.most = 0
        self.done: list[Kist] = []

    async def _run(self, kist: Kist) -> int:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            await asyncio.sleep(self._seconds)
            self.done.append(kist)
        finally:
            self.at_work -= 1
        return 1


async def until(true: Callable[[], object]) -> None:
    """Come back when it is true."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)


async def beside(duty: Duty, *processes: Kist, enough: Callable[[], object]) -> None:
    """Let the processes do their duty beside each other until it is ``enough``."""
    clock = SystemClock()
    tasks = [asyncio.create_task(run_schedule(each, clock, (duty.chore,))) for each in processes]
    try:
        await until(enough)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_process_does_a_chore_at_a_time(world: World) -> None:
    duty, other = Duty(), join(world.ports)
    await beside(duty, world.kist, other, enough=lambda: min(map(duty.done.count, (world.kist, other))) >= 5)
    assert duty.most == 1


async def test_what_each_has_for_itself_is_done_everywhere(world: World) -> None:
    duty, other = Duty(everywhere=True), join(world.ports)
    await beside(duty, world.kist, other, enough=lambda: duty.most == 2 and {*duty.done} == {world.kist, other})
    assert duty.most == 2


async def test_a_process_that_stops_gives_its_turn_back(world: World) -> None:
    duty, other = Duty(60), join(world.ports)
    await beside(duty, world.kist, enough=lambda: duty.at_work)
    assert await other.turns.take("duty")


async def test_what_is_over_is_forgotten_with_a_turn_that_is_given_back(world: World) -> None:
    now = micros(world.clock.now())
    for term, by in (("ann", 1), ("bob", 90_000_000)):
        await world.catalogue.commit(Spend(term=term, by=by, at=now, at_most=now + by))
    await world.kist.turns.take("duty")
    world.clock.advance(1)
    await world.kist.turns.give_back("duty")
    left = [term for term in ("ann", "bob", "turn duty") if await world.catalogue.term(term)]
    assert left == ["bob"]


async def test_a_process_that_dies_loses_its_turn_after_a_while(world: World) -> None:
    other = join(world.ports)
    assert await world.kist.turns.take("duty")
    assert not await other.turns.take("duty")
    world.clock.advance(TERM.total_seconds())
    assert await other.turns.take("duty")
    await world.kist.turns.give_back("duty")
    assert not await world.kist.turns.take("duty")


async def test_a_chore_that_takes_long_keeps_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "BEAT", 0.02)
    duty, other = Duty(60), join(world.ports)
    work = asyncio.create_task(run_in_turn(world.kist, duty.chore))
    for _ in range(6):
        world.clock.advance(TERM.total_seconds() * 0.9)
        wanted = micros(world.clock.now() + TERM)
        while await world.catalogue.term("turn duty") < wanted:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        assert not await other.turns.take("duty")
    assert duty.at_work == 1
    work.cancel()
    await asyncio.wait([work])
    assert duty.at_work == 0
    assert await other.turns.take("duty")


async def test_a_chore_whose_turn_is_lost_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turn, "BEAT", 0.02)
    duty = Duty(60)
    work = asyncio.create_task(run_in_turn(world.kist, duty.chore))
    await until(lambda: duty.at_work)
    over = await world.catalogue.term("turn duty")
    await world.catalogue.commit(Lapse(over), Hold(term="turn duty", holder="other", at=over, until=over + 1))
    assert await work == 0
    assert (duty.done, duty.at_work) == ([], 0)
    assert "its turn is lost" in caplog.text


async def test_a_catalogue_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For so long that others may have the turn, the chore is ended; a moment is no matter."""
    monkeypatch.setattr(turn, "BEAT", 0.02)
    duty, take = Duty(0.2), world.kist.turns.take
    takes = 0

    async def silent(name: str) -> bool:
        nonlocal takes
        takes += 1
        if takes > 1:
            raise CatalogueBusy("no answer")
        return await take(name)

    monkeypatch.setattr(world.kist.turns, "take", silent)
    assert await run_in_turn(world.kist, duty.chore) is not None
    assert len(duty.done) == 1
    monkeypatch.setattr(turn, "TERM", timedelta(seconds=0.3))
    long, takes = Duty(60), 0
    assert await asyncio.wait_for(run_in_turn(world.kist, long.chore), 20) is not None
    assert (long.at_work, long.done) == (0, [])
