"""Many files: bounded, none stops the others, and one exit code for all."""

from __future__ import annotations

import asyncio

import pytest

from kist.cli.exits import NeedsConfirmation
from kist.cli.outcomes import WIDTH, Outcome, State, exit_code, failed, skipped, summary, tried, work_through
from kist.errors import CatalogueBusy, Corrupt, FileMissing, TooMany, Unavailable

DONE = Outcome(name="a", state=State.DONE, size=1000)
THERE = Outcome(name="b", state=State.THERE)
MISSING = failed("c", FileMissing("no"))


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        ([DONE, THERE], 0),
        ([skipped("x", FileMissing("link"))], 0),
        ([MISSING], 2),
        ([MISSING, MISSING], 2),
        ([DONE, MISSING], 4),
        ([THERE, MISSING], 4),
        ([failed("x", Corrupt("no"))], 70),
        ([failed("x", CatalogueBusy("no"))], 75),
        ([failed("x", NeedsConfirmation("no"))], 3),
        ([failed("x", Corrupt("no")), MISSING], 4),
        ([failed("x", OSError(2, "gone"))], 2),
    ],
)
def test_exit_codes(outcomes: list[Outcome], code: int) -> None:
    assert exit_code(outcomes) == code


def test_the_summary_is_one_line() -> None:
    assert summary("put", [DONE, THERE, MISSING, skipped("x", FileMissing("link"))]) == (
        "1 file put (1.0 kB), 1 file there already (0 B), 1 skipped, 1 failed"
    )


async def test_a_few_at_once_and_the_order_kept() -> None:
    running = most = 0

    async def work(number: int) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (10 - number))
        running -= 1
        if number == 3:
            raise OSError(5, "broken")
        return Outcome(name=str(number), state=State.DONE)

    outcomes = await work_through(range(10), work, str)
    assert [outcome.name for outcome in outcomes] == [str(number) for number in range(10)]
    assert [outcome.name for outcome in outcomes if outcome.state is State.FAILED] == ["3"]
    assert most == WIDTH


async def test_a_fault_of_ours_is_not_swallowed() -> None:
    async def work(number: int) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work_through([1], work, str)


async def test_what_may_pass_is_tried_again_and_the_rest_is_not() -> None:
    pauses: list[float] = []
    fails = [Unavailable("later"), TooMany("later", after=7)]

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def work() -> str:
        if fails:
            raise fails.pop(0)
        return "done"

    assert await tried(work, pause) == "done"
    assert pauses == [1, 7]
    fails += [FileMissing("never")]
    with pytest.raises(FileMissing):
        await tried(work, pause)
    fails += [Unavailable("later")] * 3
    with pytest.raises(Unavailable):
        await tried(work, pause)
    assert len(pauses) == 4
