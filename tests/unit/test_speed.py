"""Bytes a second over the last seconds."""

from __future__ import annotations

from kist.sync.speed import Speed


def test_one_look_tells_nothing() -> None:
    speed = Speed()
    assert speed.at(10.0, 1000) == 0
    assert speed.at(10.0, 2000) == 0, "no time has passed"


def test_steady_bytes() -> None:
    speed = Speed()
    assert [speed.at(100 + half / 2, half * 500) for half in range(30)][1:] == [1000.0] * 29


def test_only_the_last_seconds_count() -> None:
    speed = Speed(window=5)
    for second in range(20):
        speed.at(second, second * 1_000_000)
    assert [speed.at(19 + second, 19_000_000) for second in range(1, 6)] == [800_000, 600_000, 400_000, 200_000, 0]


def test_after_a_long_gap_it_is_the_mean_over_the_gap() -> None:
    speed = Speed(window=5)
    speed.at(0, 0)
    assert speed.at(100, 1000) == 10


def test_a_total_that_begins_anew() -> None:
    speed = Speed()
    speed.at(0, 5000)
    assert speed.at(1, 0) == 0
    assert speed.at(2, 300) == 300
