"""Tickets for direct uploads: Kist's route against one row and one signature by hand, and against Django."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager

from bench import direct, programs
from bench.figures import Finding, Goal, Plan, compared, interleaved, microseconds, per_second
from bench.load import Load

AGAINST_STARLETTE = Goal(0.5)
AGAINST_DJANGO = Goal(4)
CONCURRENCIES = (1, 16)
BODY = json.dumps({"name": "photo.jpg", "size": 2_500_000, "type": "image/jpeg", "way": "put"})


def measure(plan: Plan) -> Iterator[Finding]:
    folder = plan.folder / "ticketing-peer"
    folder.mkdir()
    yield from _against(
        "Starlette with one row and one signature", programs.peer("ticket", folder), plan, AGAINST_STARLETTE
    )


def measure_django(plan: Plan) -> Iterator[Finding]:
    folder = plan.folder / "django-peer"
    folder.mkdir()
    yield from _against("Django, DRF and boto3", programs.django_peer(folder), plan, AGAINST_DJANGO)


def _against(
    name: str, starting: AbstractContextManager[programs.Program], plan: Plan, goal: Goal
) -> Iterator[Finding]:
    home = plan.folder / f"ticketing-{goal.bound:g}"
    with programs.s3_stub() as stub:
        settings = direct.settings(stub.url)
        direct.open_ways(home, settings)
        with programs.kist(home, settings) as kist, starting as peer:
            for connections in CONCURRENCIES:
                sides = [
                    Load(server, ["/v1/uploads"], connections=connections, seconds=1 if plan.short else 3, body=BODY)
                    for server in (kist, peer)
                ]
                pairs = [(ours, theirs) for ours, theirs in interleaved(plan.rounds, *sides)]
                what = f"POST /v1/uploads (way put), {connections} at a time, against {name}"
                yield compared(what, pairs, per_second, cpu=microseconds, goal=goal)
                yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)
