"""A thousand links in one call: how long the server takes to answer."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator

from bench import programs
from bench.figures import Finding, Goal, Plan, Spread
from bench.following import make_links
from bench.load import Line
from bench.reading import put_file

GOAL = Goal(30, "ms", at_least=False)
FILES = 1000
CALLS = 10


def measure(plan: Plan) -> Iterator[Finding]:
    with programs.kist(plan.folder / "linking") as kist:
        files = [put_file(kist, number) for number in range(FILES)]
        make_links(kist, files)  # to see that each gets one
        line, text = Line(kist), json.dumps({"files": files}).encode()
        _round(line, text)
        before = kist.cpu()
        rounds = [_round(line, text) for _ in range(plan.rounds)]
        cpu = (kist.cpu() - before) * 1000 / (CALLS * plan.rounds)
        line.close()
    middle = Spread.of([statistics.median(times) for times in rounds])
    slowest = max(max(times) for times in rounds)
    ours = f"slowest {slowest:.0f} ms, {cpu:.1f} ms CPU each"
    yield Finding("POST /v1/links with 1,000 files: one call", middle, ours, goal=GOAL, unit="ms")


def _round(line: Line, text: bytes) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        line.post("/v1/links", text)
        times.append((time.perf_counter() - begun) * 1000)
    return times
