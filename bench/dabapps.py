"""DabApps' create, JSON in and a form out: Kist against the least that Django, DRF and boto3 do for the same answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench import direct, programs
from bench.figures import Finding, Goal, Plan, compared, interleaved, microseconds, per_second
from bench.load import Load

WITH_A_CLIENT = Goal(4)
WITH_A_CLIENT_EACH = Goal(10)
CONCURRENCIES = (1, 16)
TARGET = "/s3-file-uploads/"
TARGET_WITH_A_CLIENT_EACH = "/a-client-each/s3-file-uploads/"
BODY = json.dumps({"filename": "photo.jpg"})


def measure(plan: Plan) -> Iterator[Finding]:
    folder = plan.folder / "dabapps-peer"
    folder.mkdir()
    home = plan.folder / "dabapps"
    with programs.s3_stub() as stub:
        settings = direct.settings(stub.url)
        direct.open_ways(home, settings)
        with programs.kist(home, settings) as kist, programs.django_peer(folder) as django:
            for connections in CONCURRENCIES:
                sides = [
                    Load(server, [target], connections=connections, seconds=1 if plan.short else 3, body=BODY)
                    for server, target in ((kist, TARGET), (django, TARGET), (django, TARGET_WITH_A_CLIENT_EACH))
                ]
                rounds = list(interleaved(plan.rounds, *sides))
                for side, name, goal in (
                    (1, "Django, DRF and boto3", WITH_A_CLIENT),
                    (2, "the same with a client for each request", WITH_A_CLIENT_EACH),
                ):
                    pairs = [(found[0], found[side]) for found in rounds]
                    what = f"POST /s3-file-uploads/, {connections} at a time, against {name}"
                    yield compared(what, pairs, per_second, cpu=microseconds, goal=goal)
                    yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)
