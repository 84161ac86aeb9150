"""Chores run when they are due, each on its own, whatever happens to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.unit.service.world import ANN, World

from kist.chores.chore import Chore, run_chore
from kist.chores.erase import ERASE
from kist.chores.expire import EXPIRE
from kist.chores.schedule import CHORES, run_schedule
from kist.drive import drive
from kist.errors import StoreUnavailable
from kist.service.kist import Kist


@pytest.fixture
def world() -> World:
    return World()


class Enough(BaseException):
    """Ends a schedule that would run for ever."""


def counted(times: list[float], world: World, stop_after: float) -> Callable[[Kist], Awaitable[int]]:
    async def run(kist: Kist) -> int:
        if world.clock.ticks() > stop_after:
            raise Enough
        times.append(world.clock.ticks())
        return 1

    return run


async def test_each_chore_runs_at_once_and_then_at_its_interval(world: World) -> None:
    often: list[float] = []
    seldom: list[float] = []
    chores = (
        Chore("often", timedelta(seconds=10), counted(often, world, 60)),
        Chore("seldom", timedelta(seconds=25), counted(seldom, world, 60)),
    )
    with pytest.raises(Enough):
        await run_schedule(world.kist, world.clock, chores)
    assert often == [0, 10, 20, 30, 40, 50, 60]
    assert seldom == [0, 25, 50]


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), RuntimeError("a bug")])
async def test_a_chore_that_fails_is_told_and_tried_again(
    world: World, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[float] = []

    async def fails(kist: Kist) -> int:
        tries.append(world.clock.ticks())
        if len(tries) > 3:
            raise Enough
        raise failure

    with pytest.raises(Enough):
        await run_schedule(world.kist, world.clock, (Chore("failing", timedelta(seconds=1), fails),))
    assert tries == [0, 1, 2, 3]
    assert "failing" in caplog.text


def test_a_schedule_that_is_cancelled_ends(world: World) -> None:
    async def cancel_it() -> None:
        async def forever(kist: Kist) -> int:
            await asyncio.sleep(60)
            return 0

        task = asyncio.create_task(run_schedule(world.kist, world.clock, (Chore("x", timedelta(1), forever),)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_it())


def test_expire_and_erase_do_their_duty_together(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    drive(world.kist.files.remove(ANN, file.id))
    assert drive(run_chore(world.kist, ERASE)) == 0
    world.clock.advance(25 * 3600)
    assert drive(run_chore(world.kist, EXPIRE)) == 0
    assert drive(run_chore(world.kist, ERASE)) == 1
    assert world.objects() == set()


def test_the_schedule_knows_all_chores() -> None:
    assert {chore.name for chore in CHORES} == {
        "probe",
        "settle",
        "expire",
        "erase",
        "count",
        "digest",
        "trash",
        "audit",
    }
