"""What a measurement found: samples of both sides, their ratios, and how they stand to the goal."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """How much to measure. ``folder``: where the servers under test keep their data; it is on a real disk."""

    folder: Path
    rounds: int
    short: bool


@dataclass(frozen=True)
class Sample:
    """One side in one round: units per second, and CPU seconds of the side under test per unit."""

    rate: float
    cpu: float


@dataclass(frozen=True)
class Spread:
    """The median of all rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, form: Callable[[float], str]) -> str:
        if self.low == self.high:
            return form(self.median)
        return f"{form(self.median)} ({form(self.low)}–{form(self.high)})"


@dataclass(frozen=True)
class Goal:
    """A bound on the median, in ``unit``."""

    bound: float
    unit: str = "×"
    at_least: bool = True

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def text(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}"


@dataclass(frozen=True)
class Finding:
    """One line of the table. Without a goal it explains another line."""

    what: str
    measured: Spread
    ours: str
    theirs: str = "–"
    goal: Goal | None = None
    unit: str = "×"

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "pass" if self.goal.met(self.measured.median) else "**missed**"


Side = Callable[[], Sample]


def interleaved(rounds: int, *sides: Side) -> list[tuple[Sample, ...]]:
    """A B A B …: each round measures every side once. A round before the first warms up and is not counted."""
    for side in sides:
        side()
    return [tuple(side() for side in sides) for _ in range(rounds)]


def rates(samples: Sequence[Sample]) -> Spread:
    return Spread.of([sample.rate for sample in samples])


def compared(  # a line has this many facts
    what: str,
    pairs: Sequence[tuple[Sample, Sample]],
    form: Callable[[float], str],
    *,
    cpu: Callable[[float], str],
    goal: Goal | None = None,
    by_cpu: bool = False,
) -> Finding:
    """Our side against theirs, by units per second or per CPU second; both figures are shown either way."""
    ratio = Spread.of([theirs.cpu / ours.cpu if by_cpu else ours.rate / theirs.rate for ours, theirs in pairs])
    ours, theirs = (described([pair[side] for pair in pairs], form, cpu) for side in (0, 1))
    return Finding(what, ratio, ours, theirs, goal)


def described(samples: Sequence[Sample], form: Callable[[float], str], cpu: Callable[[float], str]) -> str:
    """The absolute figures of one side."""
    rate = statistics.median(sample.rate for sample in samples)
    spent = statistics.median(sample.cpu for sample in samples)
    return f"{form(rate)}, {cpu(spent)}"


def per_second(value: float) -> str:
    return f"{value:,.0f}/s"


def microseconds(value: float) -> str:
    return f"{value * 1e6:.0f} µs CPU each"


def mebibytes(value: float) -> str:
    return f"{value:,.0f} MiB/s"


def per_mebibyte(value: float) -> str:
    return f"{value * 1e6:.0f} µs CPU/MiB"


def factor(value: float) -> str:
    return f"{value:.2f}"
