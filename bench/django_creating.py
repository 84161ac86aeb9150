"""The Django app: create and complete against two views by hand on the ORM, and create against boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench import direct, programs
from bench.cycles import Cycles
from bench.figures import Finding, Goal, Plan, compared, interleaved, microseconds, per_second
from bench.load import Load

BY_HAND = Goal(0.85)
WITH_BOTO3 = Goal(2)
CONCURRENCIES = (1, 4)
BODY = json.dumps({"filename": "photo.jpg"})
BUCKET = "kist"
"""The base bucket of the disk store."""


def measure(plan: Plan) -> Iterator[Finding]:
    homes = [plan.folder / name for name in ("django-kist", "django-by-hand")]
    for home in homes:
        (home / "objects" / BUCKET / ".kist" / "in").mkdir(parents=True)
    with programs.django_app(homes[0]) as kist, programs.django_app(homes[1]) as by_hand:
        for connections in CONCURRENCIES:
            seconds = 1 if plan.short else 3
            sides = [
                Cycles(server, target, home / "objects" / BUCKET, connections=connections, seconds=seconds)
                for server, target, home in zip((kist, by_hand), ("/s3-file-uploads/", "/by-hand/"), homes, strict=True)
            ]
            pairs = [(ours, theirs) for ours, theirs in interleaved(plan.rounds, *sides)]
            what = f"Django: create and complete on disk, {connections} at a time, against two views by hand"
            yield compared(what, pairs, per_second, cpu=microseconds, goal=BY_HAND)
            yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)


def measure_boto3(plan: Plan) -> Iterator[Finding]:
    home, folder = plan.folder / "django-s3", plan.folder / "django-boto3"
    folder.mkdir()
    with programs.s3_stub() as stub:
        settings = direct.settings(stub.url)
        direct.open_ways(home, settings)
        with programs.django_app(home, settings) as kist, programs.django_peer(folder) as peer:
            for connections in CONCURRENCIES:
                sides = [
                    Load(server, [target], connections=connections, seconds=1 if plan.short else 3, body=BODY)
                    for server, target in ((kist, "/s3-file-uploads/"), (peer, "/a-client-each/s3-file-uploads/"))
                ]
                pairs = [(ours, theirs) for ours, theirs in interleaved(plan.rounds, *sides)]
                what = f"Django: create, {connections} at a time, against DRF and boto3 with a client for each request"
                yield compared(what, pairs, per_second, cpu=microseconds, goal=WITH_BOTO3)
                yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)
