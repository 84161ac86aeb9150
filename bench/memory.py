"""How much memory 16 large uploads at a time take when they go on to S3."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from bench import programs
from bench.figures import Finding, Goal, Plan, Spread
from bench.load import MIB, Line
from bench.machine import peak_rss

GOAL = Goal(350, "MiB", at_least=False)
AT_ONCE = 16


def measure(plan: Plan) -> Iterator[Finding]:
    """One round: the peak of a process is what it is, and 16 GiB take their time."""
    size = (128 if plan.short else 1024) * MIB
    with programs.s3_stub() as stub:
        settings = {
            "KIST_STORE": f"s3://bench?endpoint={quote(stub.url)}",
            "KIST_S3_KEY": "key",
            "KIST_S3_SECRET": "secret",
        }
        with programs.kist(plan.folder / "memory", settings) as kist, ThreadPoolExecutor(AT_ONCE) as threads:
            idle = peak_rss(kist.pid)
            list(threads.map(lambda number: _upload(kist, number, size), range(AT_ONCE)))
            peak = peak_rss(kist.pid)
    what = f"peak RSS, {AT_ONCE} uploads of {size // MIB} MiB at a time to an S3 stub that hashes and discards"
    measured = Spread.of([peak / MIB])
    yield Finding(what, measured, f"{peak / MIB:.0f} MiB, {idle / MIB:.0f} MiB before", goal=GOAL, unit="MiB")


def _upload(kist: programs.Program, number: int, size: int) -> None:
    line = Line(kist)
    line.upload(f"/v1/files?name=large-{number}.bin", size)
    line.close()
