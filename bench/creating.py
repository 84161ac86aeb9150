"""Small uploads: Kist's route against a handler by hand that syncs as often and commits as often."""

from __future__ import annotations

from collections.abc import Iterator

from bench import programs
from bench.figures import Finding, Goal, Plan, compared, interleaved, microseconds, per_second
from bench.load import Load

GOAL = Goal(0.6)
SIZE = 4096
CONCURRENCIES = (1, 16, 64)


def measure(plan: Plan) -> Iterator[Finding]:
    home, bare = plan.folder / "creating", plan.folder / "creating-peer"
    bare.mkdir()
    targets = [f"/v1/files?name=file-{number}.bin" for number in range(100)]
    with programs.kist(home) as kist, programs.peer("create", bare) as peer:
        for connections in CONCURRENCIES:
            sides = [
                Load(server, targets, connections=connections, seconds=1 if plan.short else 3, body=SIZE)
                for server in (kist, peer)
            ]
            pairs = [(ours, theirs) for ours, theirs in interleaved(plan.rounds, *sides)]
            what = f"POST /v1/files of 4 KiB, {connections} at a time, against Starlette with the same syncs"
            yield compared(what, pairs, per_second, cpu=microseconds, goal=GOAL)
            yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)
