"""``make-links`` of Syncano's contract for a thousand names: how long the server takes to answer."""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
from collections.abc import Iterator

from bench import direct, programs
from bench.figures import Finding, Goal, Plan, Spread
from bench.load import Line

GOAL = Goal(40, "ms", at_least=False)
NAMES = 1000
CALLS = 10
PATH = "/aws-storage/make-links/"


def measure(plan: Plan) -> Iterator[Finding]:
    """On the disk store, and with the signatures of S3, where the files of two users are asked for at once."""
    with programs.kist(plan.folder / "syncano") as kist:
        yield _measured(plan, kist, "on disk")
    with programs.s3_stub() as stub, programs.kist(plan.folder / "syncano-s3", direct.settings(stub.url)) as kist:
        yield _measured(plan, kist, "signed for S3")


def _measured(plan: Plan, kist: programs.Program, where: str) -> Finding:
    names = [f"{('ann', 'bob')[number % 2]}/file-{number}.bin" for number in range(NAMES)]
    for name in names:
        _put(kist, name)
    text = json.dumps({"fileNames": names}).encode()
    made = _asked(kist, PATH, text)
    assert set(made["files"]) == set(names), made["errors"]
    line = Line(kist)
    _round(line, text)
    before = kist.cpu()
    rounds = [_round(line, text) for _ in range(plan.rounds)]
    cpu = (kist.cpu() - before) * 1000 / (CALLS * plan.rounds)
    line.close()
    middle = Spread.of([statistics.median(times) for times in rounds])
    slowest = max(max(times) for times in rounds)
    ours = f"slowest {slowest:.0f} ms, {cpu:.1f} ms CPU each"
    return Finding(f"Syncano's make-links with 1,000 names, {where}: one call", middle, ours, goal=GOAL, unit="ms")


def _put(kist: programs.Program, name: str) -> None:
    _asked(kist, "/aws-storage/admin-upload/", json.dumps({"name": name, "file": "c29tZSBieXRlcw=="}).encode())


def _asked(kist: programs.Program, path: str, text: bytes) -> dict[str, dict[str, str]]:
    headers = {"Content-Type": "application/json", **kist.headers}
    with urllib.request.urlopen(urllib.request.Request(f"{kist.url}{path}", data=text, headers=headers)) as reply:
        answer: dict[str, dict[str, str]] = json.load(reply)
    return answer


def _round(line: Line, text: bytes) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        line.post(PATH, text)
        times.append((time.perf_counter() - begun) * 1000)
    return times
