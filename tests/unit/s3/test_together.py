"""All of the work is done, and none is left running when one piece fails."""

from __future__ import annotations

import asyncio

import pytest

from kist.drive import drive
from kist.stores.s3.together import at_once, one_by_one


async def test_all_at_once() -> None:
    both = asyncio.Barrier(2)
    done: list[int] = []

    async def work(number: int) -> None:
        await both.wait()  # one after the other would wait for ever
        done.append(number)

    async with asyncio.timeout(30):
        await at_once([work(1), work(2)])
    assert sorted(done) == [1, 2]


async def test_none_is_left_running() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("waits")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError

    with pytest.raises(ExceptionGroup):
        await at_once([waits(), fails()])
    assert ended == ["waits"]


def test_one_by_one_without_a_loop() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        done.append(number)
        if number == 2:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - a bare one, as raised above
        drive(one_by_one([work(1), work(2), work(3)]))
    assert done == [1, 2]
