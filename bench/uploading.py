"""One large upload at a time to disk: Kist's route against a bare handler that hashes, writes and syncs."""

from __future__ import annotations

from collections.abc import Iterator

from bench import programs
from bench.figures import Finding, Goal, Plan, compared, interleaved, mebibytes, per_mebibyte
from bench.load import MIB, Line

GOAL = Goal(0.9)
SIZE = 256 * MIB


def measure(plan: Plan) -> Iterator[Finding]:
    bare = plan.folder / "uploading-peer"
    bare.mkdir()
    with programs.kist(plan.folder / "uploading") as kist, programs.peer("receive", bare) as peer:
        lines = Line(kist), Line(peer)
        ours, theirs = (
            lambda line=line: line.timed(lambda: line.upload("/v1/files?name=large.bin", SIZE)) for line in lines
        )
        pairs = [(one, other) for one, other in interleaved(plan.rounds, ours, theirs)]
    what = "raw upload of 256 MiB to disk, against Starlette that hashes, writes and syncs"
    yield compared(what, pairs, mebibytes, cpu=per_mebibyte, goal=GOAL)
    yield compared("the same per CPU second", pairs, mebibytes, cpu=per_mebibyte, by_cpu=True)
