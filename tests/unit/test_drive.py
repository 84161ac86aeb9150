"""Colourless code runs without an event loop, and what would need one is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kist.drive import Suspended, drive, drive_each
from kist.system import SystemClock, wait_blocking


async def answer() -> int:
    return 42


async def numbers() -> AsyncIterator[int]:
    for n in range(3):
        yield n


def test_what_never_suspends_runs_to_its_end() -> None:
    assert drive(answer()) == 42
    assert list(drive_each(numbers())) == [0, 1, 2]


def test_errors_pass_through() -> None:
    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        drive(fails())


def test_the_culprit_is_named() -> None:
    async def waits_for_a_loop() -> None:
        await asyncio.sleep(0)

    async def outer() -> None:
        await waits_for_a_loop()

    with pytest.raises(Suspended, match="sleep"):
        drive(outer())


def test_a_blocking_clock_waits_without_a_loop() -> None:
    clock = SystemClock(pause=wait_blocking)
    before = clock.ticks()
    drive(clock.pause(0.01))
    assert clock.ticks() - before >= 0.01
