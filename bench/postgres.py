"""Rows in PostgreSQL with fsync on: tickets against asyncpg by hand, two processes against one, and a queue of jobs."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench import direct, postgres_peer, programs
from bench.figures import Finding, Goal, Plan, Sample, Side, Spread, compared, interleaved, microseconds, per_second
from bench.load import Load
from bench.machine import CLIENT_CORE, SERVER_CORE, on_all_cores
from bench.ticketing import BODY, CONCURRENCIES
from tests.servers.databases import made
from tests.servers.postgres import postgres

from kist.app import Assembled, assemble
from kist.jobs.worker import AT_ONCE
from kist.model.actor import Actor, Role
from kist.model.job import Job, JobState, SyncOptions
from kist.settings import read_settings

GOAL = Goal(0.5)
ROOT = Actor("bench", Role.ADMIN)
WORKERS, KILLED, JOBS, FILES = 4, 2, 40, 50
GIVE_UP = 300.0


@contextmanager
def database() -> Iterator[str]:
    """The address of a server's main database. Nobody's core is its own: both sides ask it."""
    with on_all_cores():
        started = postgres()
        server = started.__enter__()
    try:
        yield server.url
    finally:
        started.__exit__(None, None, None)


def tickets(plan: Plan) -> Iterator[Finding]:
    """Tickets, which are one commit, against one row by hand."""
    folder = plan.folder / "postgres-peer"
    folder.mkdir()
    with database() as url, programs.s3_stub() as stub:
        (folder / postgres_peer.URL_FILE).write_text(made(url, "peer"))
        home, given = plan.folder / "postgres-tickets", _settings(made(url, "kist"), stub.url)
        direct.open_ways(home, given)
        with programs.kist(home, given) as kist, programs.peer("postgres-ticket", folder) as peer:
            for connections in CONCURRENCIES:
                pairs = [
                    (ours, theirs)
                    for ours, theirs in interleaved(
                        plan.rounds, *(_load(server, connections, plan) for server in (kist, peer))
                    )
                ]
                what = f"POST /v1/uploads on PostgreSQL, {connections} at a time, against Starlette and asyncpg"
                yield compared(what, pairs, per_second, cpu=microseconds, goal=GOAL)
                yield compared("the same per CPU second", pairs, per_second, cpu=microseconds, by_cpu=True)


def processes(plan: Plan) -> Iterator[Finding]:
    """Two servers on one database against one of them. The second has the core of the load."""
    with database() as url, programs.s3_stub() as stub, ExitStack() as stack:
        given, servers = _settings(made(url, "kist"), stub.url), []
        direct.open_ways(plan.folder / "postgres-first", given)
        for name, core in (("first", SERVER_CORE), ("second", CLIENT_CORE)):
            servers.append(stack.enter_context(programs.kist(plan.folder / f"postgres-{name}", given, core=core)))
        servers[1] = replace(servers[1], key=servers[0].key)  # the first start has made it
        both = _together([_load(server, 8, plan) for server in servers])
        pairs = [(two, one) for two, one in interleaved(plan.rounds, both, _load(servers[0], 16, plan))]
        what = "POST /v1/uploads on PostgreSQL, 16 at a time, two servers against one"
        yield compared(what, pairs, per_second, cpu=microseconds)


def queue(plan: Plan) -> Iterator[Finding]:
    """Workers on a queue of syncs, of which two are killed. What is measured is refused unless each was done once."""
    with database() as url, on_all_cores():
        home = plan.folder / "queue"
        given = {"KIST_HOME": str(home), "KIST_DATABASE": made(url, "kist"), "KIST_SECRET": secrets.token_hex(32)}
        seconds = [asyncio.run(_carried_out(plan.folder, given, killed)) for killed in (0, KILLED)]
    what = f"{JOBS} syncs of {FILES} files, {WORKERS} workers"
    yield Finding(what, Spread.of(seconds[:1]), f"{JOBS / seconds[0]:.1f} syncs/s", unit="s")
    lost = f"{what}, {KILLED} of them killed with -9: their leases last 30 s"
    yield Finding(lost, Spread.of(seconds[1:]), "each done once, none lost", unit="s")


def _settings(url: str, endpoint: str) -> dict[str, str]:
    return direct.settings(endpoint) | {"KIST_DATABASE": url, "KIST_SECRET": secrets.token_hex(32)}


def _load(server: programs.Program, connections: int, plan: Plan) -> Side:
    return Load(server, ["/v1/uploads"], connections=connections, seconds=1 if plan.short else 3, body=BODY)


def _together(sides: list[Side]) -> Side:
    def both() -> Sample:
        with ThreadPoolExecutor(len(sides)) as threads:
            samples = list(threads.map(lambda side: side(), sides))
        rate = sum(sample.rate for sample in samples)
        return Sample(rate, sum(sample.cpu * sample.rate for sample in samples) / rate)

    return both


async def _carried_out(folder: Path, given: dict[str, str], killed: int) -> float:
    """Seconds from the first job to the end of the last one."""
    assembled = await assemble(read_settings(given, folder))
    try:
        begun = time.perf_counter()
        jobs = [await _started(assembled, folder / f"queue-{killed}", number) for number in range(JOBS)]
        with _workers(given) as workers:
            await _until_ended(assembled, jobs, JOBS // 8)
            for worker in workers[:killed]:
                worker.send_signal(signal.SIGKILL)
            await _until_ended(assembled, jobs, JOBS)
            spent = time.perf_counter() - begun
        _check([await assembled.kist.jobs.get(ROOT, job.id) for job in jobs], killed)
    finally:
        await assembled.kist.close()
    return spent


async def _started(assembled: Assembled, folder: Path, number: int) -> Job:
    source = folder / f"{number}"
    source.mkdir(parents=True)
    for name in range(FILES):
        (source / f"{name}.bin").write_bytes(os.urandom(4096))
    return await assembled.kist.jobs.start(ROOT, str(source), f"kist/{folder.name}/{number}", SyncOptions())


@contextmanager
def _workers(given: dict[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KIST_")}
    command = [sys.executable, "-m", "kist.cli", "worker"]
    quiet = subprocess.DEVNULL
    workers = [subprocess.Popen(command, env=kept | given, stdout=quiet, stderr=quiet) for _ in range(WORKERS)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


async def _until_ended(assembled: Assembled, jobs: list[Job], count: int) -> None:
    async with asyncio.timeout(GIVE_UP):
        while sum([(await assembled.kist.jobs.get(ROOT, job.id)).state.ended for job in jobs]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _check(jobs: list[Job], killed: int) -> None:
    """Each succeeded with all its files, and was claimed once, but for those that a killed worker had."""
    again = [job for job in jobs if job.fence > 1]
    broken = [job for job in jobs if job.state is not JobState.SUCCEEDED or job.progress.files != FILES]
    if broken or len(again) > killed * AT_ONCE or any(job.fence > 2 for job in jobs):
        raise SystemExit(f"a job was lost, or done twice: {[*broken, *again]}")
