"""A server or a worker whose database comes up after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from kist.app import Assembled
from kist.cli.starting import PATIENCE, patiently
from kist.drive import drive
from kist.errors import CatalogueBusy, KistError, Misconfigured
from kist.testing.clock import FakeClock

STARTED = cast("Assembled", object())


def start(clock: FakeClock, fails: Callable[[float], KistError | None]) -> Assembled:
    """What a start ends with whose tries fail by what ``fails`` says for the seconds since the first."""
    began = clock.ticks()

    async def attempt() -> Assembled:
        if error := fails(clock.ticks() - began):
            raise error
        return STARTED

    return drive(patiently(attempt, clock))


def test_a_database_that_answers_late_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    busy = CatalogueBusy("nobody answers")
    assert start(FakeClock(), lambda waited: busy if waited < 10 else None) is STARTED
    assert caplog.messages == ["not started yet: the database does not answer, trying again"] * 10


def test_one_that_never_answers_is_given_up() -> None:
    clock = FakeClock()
    began = clock.ticks()
    with pytest.raises(CatalogueBusy):
        start(clock, lambda waited: CatalogueBusy("nobody answers"))
    assert PATIENCE <= clock.ticks() - began < PATIENCE + 5


def test_what_no_waiting_mends_is_told_at_once() -> None:
    clock = FakeClock()
    with pytest.raises(Misconfigured):
        start(clock, lambda waited: Misconfigured("wrong password"))
    assert clock.pauses == []
