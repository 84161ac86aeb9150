"""What syncs are measured with: the gateway, the tools, and one process of a tool from its start to its end."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from bench import direct
from bench.figures import Finding, Goal, Plan, Spread
from bench.machine import Absent, on_all_cores
from tests.servers.rgw import rgw
from tests.servers.server import S3Server

MIB = 1 << 20
ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".servers/peers/bin"
RCLONE = ("--transfers", "32")


@dataclass(frozen=True)
class Run:
    """What one process took: seconds from its start to its end, the most memory in MiB, and what it printed.

    The system counts a parent's memory as its child's: a peak below that is not known, and 0 here.
    """

    seconds: float
    peak: float
    printed: str


@dataclass
class Bench:
    """The gateway, and how each tool is told to sync to it. ``home``: where Kist keeps its catalogue."""

    server: S3Server
    home: Path

    def kist(self, source: object, dest: object, home: str = "kist", **settings: str) -> Run:
        """A folder is given by its path, a place in the bucket as ``bucket/prefix``."""
        own = direct.settings(self.server.endpoint, self.server.key, self.server.secret)
        given = {**own, "KIST_HOME": str(self.home / home), **settings}
        done = run([sys.executable, "-m", "bench.sync_client", str(source), str(dest)], given)
        found = json.loads(done.printed)
        assert found["state"] == "succeeded", found
        return Run(done.seconds, found["peak"] / 1024, done.printed)

    def s5cmd(self, source: str, dest: str, verb: str = "sync") -> Run:
        return run(
            [peer("s5cmd"), "--endpoint-url", self.server.endpoint, "--log", "error", verb, source, dest], self._aws
        )

    def s3cmd(self, source: str, dest: str) -> Run:
        address = self.server.endpoint.removeprefix("http://")
        given = [f"--config={os.devnull}", "--no-ssl", f"--host={address}", f"--host-bucket={address}"]
        return run(
            [peer("s3cmd"), *given, f"--region={self.server.region}", "--quiet", "sync", source, dest], self._aws
        )

    def aws(self, source: str, dest: str) -> Run:
        command = [peer("aws"), "--endpoint-url", self.server.endpoint, "s3", "sync", "--only-show-errors"]
        return run([*command, source, dest], self._aws)

    def rclone(self, source: str, dest: str) -> Run:
        remote = {
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_S3_PROVIDER": "Ceph",
            "RCLONE_S3_ENDPOINT": self.server.endpoint,
            "RCLONE_S3_ACCESS_KEY_ID": self.server.key,
            "RCLONE_S3_SECRET_ACCESS_KEY": self.server.secret,
        }
        return run([peer("rclone"), "sync", *RCLONE, source, dest], remote)

    @property
    def _aws(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.server.key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret,
            "AWS_DEFAULT_REGION": self.server.region,
        }

    def empty(self, prefix: str) -> None:
        """Remove all objects below a prefix, so that the next first sync is one."""
        client = self._client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=direct.BUCKET, Prefix=prefix):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=direct.BUCKET, Key=found["Key"])
        client.close()

    def make_bucket(self) -> None:
        client = self._client()
        client.create_bucket(Bucket=direct.BUCKET)
        client.close()

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=self.server.key,
            aws_secret_access_key=self.server.secret,
        )


@contextmanager
def bench(plan: Plan) -> Iterator[Bench]:
    """A gateway with its bucket, on all cores."""
    with on_all_cores(), rgw() as server:
        home = plan.folder / "syncing"
        home.mkdir(exist_ok=True)
        made = Bench(server, home)
        made.make_bucket()
        yield made
        shutil.rmtree(home)


def run(command: Sequence[str], settings: dict[str, str]) -> Run:
    """Run to the end, with nothing of this process's environment that would change how it works."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KIST_", "AWS_", "RCLONE_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env={**kept, **settings}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as stream:
        printed = stream.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    assert process.returncode == 0, (command[:3], process.returncode)
    known = used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Run(seconds, used.ru_maxrss / 1024 if known else 0, printed)


def peer(name: str) -> str:
    path = PEERS / name
    if not path.exists():
        raise Absent(f"{name} is not there; `make bench` installs it")
    return str(path)


Side = Callable[[int], Run]


def in_turn(rounds: int, sides: dict[str, Side]) -> dict[str, list[Run]]:
    """Each round runs every side once, and begins with another one. The round before the first is not counted."""
    names = list(sides)
    found: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            done = sides[name](number)
            if number:
                found[name].append(done)
    return found


def compared(what: str, found: dict[str, list[Run]], goals: dict[str, float | None]) -> Iterator[Finding]:
    """Kist's wall time as a share of each peer's."""
    ours = found["kist"]
    for name, bound in goals.items():
        ratios = [one.seconds / other.seconds for one, other in zip(ours, found[name], strict=True)]
        goal = None if bound is None else Goal(bound, at_least=False)
        yield Finding(f"{what}, against {name}: wall time", Spread.of(ratios), shown(ours), shown(found[name]), goal)


def shown(runs: Sequence[Run]) -> str:
    seconds = Spread.of([each.seconds for each in runs]).median
    peak = Spread.of([each.peak for each in runs]).median
    return f"{seconds:.2f} s, {peak:.0f} MiB" if peak else f"{seconds:.2f} s"


def rounds(plan: Plan) -> int:
    return max(3, min(plan.rounds, 5))
