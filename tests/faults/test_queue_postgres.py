"""Forty jobs in PostgreSQL, four workers, two of them killed: no job is lost, none is at work twice at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.rig.process import PATIENCE, REPOSITORY
from tests.servers.databases import ask
from tests.servers.pauses import PATIENT

from kist.app import assemble
from kist.jobs.worker import AT_ONCE
from kist.model.actor import Actor, Role
from kist.model.job import JobState, SyncOptions
from kist.model.place import Place
from kist.service.kist import Kist
from kist.settings import read_settings
from kist.testing.failpoints import VARIABLE

ROOT = Actor("root", Role.ADMIN)
JOBS = 40
FILES = 5
SECRET = "b7e1f0c4d2a893567e1f0c4d2a893567"


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    return {"KIST_HOME": str(tmp_path / "home"), "KIST_DATABASE": database, "KIST_SECRET": SECRET}


@pytest.fixture
async def kist(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Kist]:
    made = (await assemble(read_settings(environment, tmp_path))).kist
    yield made
    await made.close()


@contextmanager
def workers(environment: dict[str, str], log: Path, *failpoints: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Worker processes, one for each of ``failpoints``, whose every call of the store takes a while, and is written
    down."""
    command = [sys.executable, "-m", "tests.faults.crash.worker", str(log), "--lease", "8", "--slow", "0.1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KIST_")} | environment | PATIENT
    processes = [
        subprocess.Popen(
            command,
            env=kept | {VARIABLE: points},
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for points in failpoints
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline(), "it did not start"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


async def in_state(database: str, condition: str) -> set[int]:
    """The numbers of the jobs of which this is true."""
    return {number for (number,) in await ask(database, f"SELECT number FROM jobs WHERE {condition}")}


async def until_ended(database: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(await in_state(database, "ended_at IS NOT NULL")) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("patient")
async def test_workers_that_are_killed(kist: Kist, environment: dict[str, str], database: str, tmp_path: Path) -> None:
    for number in range(JOBS):
        folder = tmp_path / "sources" / f"{number}"
        folder.mkdir(parents=True)
        for name in range(FILES):
            (folder / f"{name}").write_text(f"{number} {name}")
        await kist.jobs.start(ROOT, str(folder), f"kist/copies/{number}", SyncOptions())
    log = tmp_path / "calls"
    # The first two come to no end with one of their jobs, so they are at work whenever they are killed.
    stuck = "store.put:before:3:hang"
    with workers(environment, log, stuck, stuck, "", "") as processes:
        await until_ended(database, 6)
        for victim in processes[:2]:
            victim.send_signal(signal.SIGKILL)
        at_work = await in_state(database, "ended_at IS NULL AND worker IS NOT NULL")
        await until_ended(database, JOBS)
    assert await in_state(database, f"state = '{JobState.SUCCEEDED.value}'") == set(range(1, JOBS + 1))
    taken_over = await in_state(database, "fence > 1")
    assert 0 < len(taken_over) <= 2 * AT_ONCE, "what the two had, and nothing else, was claimed again"
    assert taken_over <= at_work
    assert await in_state(database, "fence > 2") == set()
    calls = Counter(log.read_text().split())
    assert JOBS * FILES <= calls["put"] <= JOBS * FILES + 2 * AT_ONCE * FILES, calls
    store = kist._ports.store
    for number in range(JOBS):
        for name in range(FILES):
            opened = await store.open(Place("kist", f"copies/{number}/{name}"))
            assert b"".join([block async for block in opened.body]) == f"{number} {name}".encode()
            await opened.close()
