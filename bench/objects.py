"""Small objects put to Ceph's gateway, 64 at a time: what each costs the client, against boto3 with 64 threads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
from bench.figures import Finding, Goal, Plan, Sample, Spread, described, interleaved, microseconds, per_second
from bench.machine import CLIENT_CORE, SERVER_CORE, on_core
from tests.servers.rgw import rgw
from tests.servers.server import S3Server

GOAL = Goal(0.2, at_least=False)
BUCKET = "bench"


def measure(plan: Plan) -> Iterator[Finding]:
    count = 640 if plan.short else 3200
    with on_core(SERVER_CORE), rgw() as server:
        _make_bucket(server)
        found = interleaved(plan.rounds, lambda: _put("kist", server, count), lambda: _put("boto3", server, count))
    ours, theirs = zip(*found, strict=True)
    yield Finding(
        "4 KiB objects put to Ceph, 64 at a time: client CPU against boto3 with 64 threads",
        Spread.of([one.cpu / other.cpu for one, other in found]),
        described(ours, per_second, microseconds),
        described(theirs, per_second, microseconds),
        GOAL,
    )


def _put(client: str, server: S3Server, count: int) -> Sample:
    """A round in a process of its own, so that neither client finds anything warmed up by the other."""
    command = [sys.executable, "-m", "bench.object_client", client]
    target = [server.endpoint, server.key, server.secret, BUCKET, str(count)]
    with on_core(CLIENT_CORE):
        done = subprocess.run(
            [*command, *target], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True
        )
    return Sample(**json.loads(done.stdout))


def _make_bucket(server: S3Server) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
