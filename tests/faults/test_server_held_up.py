"""A server that stood still for a while blames nobody for it: what came meanwhile is read before it is judged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from tests.faults.rig.pauses import unless_held_up
from tests.servers.daemon import suspended
from tests.unit.asgi.toy import Raw, refuses, until

ROOT = Path(__file__).parents[2]
ASK = ("GET /v1/things/x HTTP/1.1", "Host: k", "Authorization: Bearer ann")
MANY = 5
PROGRAM = """
import sys
from msgspec.structs import replace
from tests.unit.asgi.toy import PATIENT, served
with served(deadlines=replace(PATIENT, %s=1.0, drain=10)) as (_, url):
    print(url, flush=True)
    sys.stdin.read()
"""
"""Serves until its standard input ends."""


@contextmanager
def serving(limit: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that has one second for this, as a process of its own."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM % limit],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def connected(url: str) -> Iterator[list[Raw]]:
    """Some clients that have been answered once."""
    with ExitStack() as stack:
        raws = [stack.enter_context(Raw(url)) for _ in range(MANY)]
        ask_all(raws)
        yield raws


def ask_all(raws: list[Raw], standing: subprocess.Popen[str] | None = None) -> None:
    """Demand that all are answered. ``standing``: the server, which stands still when they ask, and for too long."""
    with ExitStack() as still:
        if standing is not None:
            still.enter_context(suspended(psutil.Process(standing.pid)))
            time.sleep(1.5)
        for raw in raws:
            raw.say(*ASK)
    assert [raw.answer()[0] for raw in raws] == [200] * len(raws)


@pytest.mark.parametrize("limit", ["headers", "keep_alive"])
def test_a_request_that_came_meanwhile_is_answered(limit: str) -> None:
    @unless_held_up
    def all_are_answered() -> None:
        with serving(limit) as (process, url), connected(url) as raws, ExitStack() as stack:
            new = [stack.enter_context(Raw(url)) for _ in range(MANY)]
            ask_all(raws if limit == "keep_alive" else new, process)

    all_are_answered()


@unless_held_up
def test_one_that_came_while_it_stops_is_answered() -> None:
    with serving("notice") as (process, url), connected(url) as raws:
        assert process.stdin is not None
        process.stdin.close()
        until(lambda: refuses(url))
        ask_all(raws, process)
