"""A link that is followed: Kist's route against one SELECT and a redirect by hand on the same database."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import direct, programs
from bench.figures import Finding, Goal, Plan, compared, interleaved, microseconds, per_second
from bench.load import Load
from bench.reading import put_file

GOAL = Goal(0.6)
LINKS = 500
CONNECTIONS = 32


def measure(plan: Plan) -> Iterator[Finding]:
    home = plan.folder / "following"
    with programs.s3_stub() as stub:
        settings = direct.settings(stub.url)
        with programs.kist(home, settings) as kist, programs.peer("follow", home / "kist.sqlite") as peer:
            links = make_links(kist, [put_file(kist, number) for number in range(LINKS)])
            seconds = 1 if plan.short else 3
            reader = dataclasses.replace(kist, key="")
            ours = Load(reader, [link["url"].removeprefix(kist.url) for link in links], **_load(seconds))
            theirs = Load(peer, [f"/l/{link['id']}" for link in links], **_load(seconds))
            pairs = [(one, other) for one, other in interleaved(plan.rounds, ours, theirs)]
    what = "GET /l/{token}, sent on to S3, against Starlette and one SELECT"
    yield compared(what, pairs, per_second, cpu=microseconds, goal=GOAL)
    yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)


def _load(seconds: float) -> dict[str, Any]:
    return {"connections": CONNECTIONS, "seconds": seconds}


def make_links(kist: programs.Program, files: Sequence[str]) -> list[Mapping[str, str]]:
    """A link for each of ``files``, with its id and its url."""
    request = urllib.request.Request(
        f"{kist.url}/v1/links",
        data=json.dumps({"files": files}).encode(),
        headers={"Content-Type": "application/json", **kist.headers},
    )
    with urllib.request.urlopen(request) as reply:
        made: dict[str, dict[str, Mapping[str, str]]] = json.load(reply)
    assert len(made["links"]) == len(files), made["errors"]
    return list(made["links"].values())
