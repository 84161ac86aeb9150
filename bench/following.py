"""A link that is followed: Kist's route against one SELECT and a redirect by hand on the same database."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

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
        database = home / "kist.sqlite"
        with (
            programs.kist(home, settings) as kist,
            programs.peer("follow", database) as bare,
            programs.peer("follow-signing", database) as signing,
        ):
            links = make_links(kist, [put_file(kist, number) for number in range(LINKS)])
            tokens, ids = [link["url"].removeprefix(kist.url) for link in links], [f"/l/{link['id']}" for link in links]
            sides = ((dataclasses.replace(kist, key=""), tokens), (bare, ids), (signing, ids))
            seconds = 1 if plan.short else 3
            found = interleaved(
                plan.rounds,
                *(Load(server, targets, connections=CONNECTIONS, seconds=seconds) for server, targets in sides),
            )
    for also, goal, at in (("", GOAL, 1), (" that signs as well", None, 2)):
        pairs = [(samples[0], samples[at]) for samples in found]
        what = f"GET /l/{{token}}, sent on to S3, against Starlette and one SELECT{also}"
        yield compared(what, pairs, per_second, cpu=microseconds, goal=goal)
        yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)


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
