"""What is known of a file, asked over and over: Kist's route against one SELECT by hand on the same database."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

from bench import programs
from bench.figures import Finding, Goal, Plan, compared, interleaved, microseconds, per_second
from bench.load import Load

GOAL = Goal(0.6)
FILES = 500
CONNECTIONS = 32


def measure(plan: Plan) -> Iterator[Finding]:
    home = plan.folder / "reading"
    with programs.kist(home) as kist, programs.peer("read", home / "kist.sqlite") as peer:
        targets = [f"/v1/files/{put_file(kist, number)}" for number in range(FILES)]
        sides = [
            Load(server, targets, connections=CONNECTIONS, seconds=1 if plan.short else 3) for server in (kist, peer)
        ]
        pairs = [(ours, theirs) for ours, theirs in interleaved(plan.rounds, *sides)]
    what = "GET /v1/files/{id}, against Starlette and one SELECT"
    yield compared(what, pairs, per_second, cpu=microseconds, goal=GOAL)
    yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)


def put_file(kist: programs.Program, number: int) -> str:
    """Upload a small file; its id."""
    request = urllib.request.Request(
        f"{kist.url}/v1/files?name=file-{number}.bin",
        data=b"some bytes",
        headers={"Content-Type": "application/octet-stream", **kist.headers},
    )
    with urllib.request.urlopen(request) as reply:
        made: dict[str, str] = json.load(reply)
    return made["id"]
