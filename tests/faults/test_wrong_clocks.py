"""Machines whose clocks are wrong share one PostgreSQL: what ends by itself ends when the database says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kist.app import assemble
from kist.catalogues.postgresql import open_catalogue
from kist.catalogues.postgresql.address import read_url
from kist.jobs.lease import LEASE, HeldLease, claim
from kist.model.actor import Actor, Role
from kist.model.changes import Add, Swap
from kist.model.file import FileState
from kist.model.job import Job, SyncOptions
from kist.ports.catalogue import Catalogue
from kist.settings import read_settings
from kist.system import SystemClock
from kist.testing.catalogue_samples import a_doomed, a_file, a_record, an_upload, changed

pytestmark = pytest.mark.usefixtures("patient")

SECRET = "b7e1f0c4d2a893567e1f0c4d2a893567"
ROOT = Actor("root", Role.ADMIN)
OFF = [timedelta(minutes=10), -timedelta(minutes=10)]


class WrongClock(SystemClock):
    """The machine's clock, which is off."""

    def __init__(self, off: timedelta) -> None:
        super().__init__()
        self._off = off

    def now(self) -> datetime:
        return super().now() + self._off


@asynccontextmanager
async def machine(database: str, off: timedelta) -> AsyncIterator[tuple[Catalogue, WrongClock]]:
    clock = WrongClock(off)
    catalogue = await open_catalogue(read_url(database), clock)
    try:
        yield catalogue, clock
    finally:
        await catalogue.close()


@pytest.fixture
async def job(database: str, tmp_path: Path) -> Job:
    """One that waits for a worker."""
    (tmp_path / "photos").mkdir()
    settings = read_settings({"KIST_HOME": str(tmp_path), "KIST_DATABASE": database, "KIST_SECRET": SECRET}, tmp_path)
    assembled = await assemble(settings)
    try:
        return await assembled.kist.jobs.start(ROOT, str(tmp_path / "photos"), "kist/copy", SyncOptions())
    finally:
        await assembled.kist.close()


async def taken(catalogue: Catalogue, clock: SystemClock, worker: str, job_id: str) -> HeldLease | None:
    return await claim(catalogue, clock, worker, await catalogue.job(job_id))


@pytest.mark.parametrize("off", OFF, ids=["ahead", "behind"])
@pytest.mark.parametrize("wrong", ["holder", "other"])
async def test_a_job_that_is_alive_is_not_taken_over(database: str, job: Job, off: timedelta, wrong: str) -> None:
    offs = (off, timedelta()) if wrong == "holder" else (timedelta(), off)
    async with AsyncExitStack() as stack:
        (mine, clock), (theirs, other) = [await stack.enter_async_context(machine(database, each)) for each in offs]
        lease = await taken(mine, clock, "holder", job.id)
        assert lease is not None
        for _ in range(3):
            assert await taken(theirs, other, "other", job.id) is None
            await lease.beat()
        assert lease.job.lease_until is not None
        assert timedelta() < lease.job.lease_until - await theirs.now() <= LEASE


@pytest.mark.parametrize("off", OFF, ids=["ahead", "behind"])
async def test_a_job_whose_worker_is_dead_is_taken_over_as_soon(database: str, job: Job, off: timedelta) -> None:
    async with machine(database, off) as (mine, clock), machine(database, timedelta()) as (theirs, other):
        lease = await taken(mine, clock, "dead", job.id)
        assert lease is not None
        # Its time is over: instead of waiting for half a minute the row is made that old.
        old = changed(lease.job, lease_until=await theirs.now() - timedelta(milliseconds=1))
        await theirs.commit(Swap(lease.job, old))
        assert await taken(theirs, other, "other", job.id) is not None


async def test_a_server_that_is_ahead_ends_and_erases_nothing_too_early(database: str, tmp_path: Path) -> None:
    settings = read_settings({"KIST_HOME": str(tmp_path), "KIST_DATABASE": database, "KIST_SECRET": SECRET}, tmp_path)
    async with machine(database, timedelta()) as (catalogue, _):
        now = await catalogue.now()
        alive, dead = (an_upload(deadline=now + timedelta(minutes=minutes)) for minutes in (2, -1))
        kept, due = (a_doomed(not_before=now + timedelta(minutes=minutes), key=f"{minutes}") for minutes in (5, -1))
        record = a_record(created_at=now - timedelta(hours=23, minutes=55), answer=b"x")
        await catalogue.commit(Add(a_file(id=dead.file_id, state=FileState.PENDING)), Add(alive), Add(dead))
        await catalogue.commit(Add(kept), Add(due), Add(record))
        ahead = (await assemble(settings, clock=WrongClock(OFF[0]))).kist
        try:
            assert await ahead.upkeep.end_overdue_uploads() == 1
            await ahead.upkeep.erase_doomed()
            assert await ahead.upkeep.forget_old_requests() == 0
        finally:
            await ahead.close()
        assert await catalogue.upload(alive.id) == alive
        left = await catalogue.doomed(now + timedelta(minutes=5), 10)
        assert kept in left
        assert due not in left


async def test_the_time_is_that_of_the_database(database: str) -> None:
    async with machine(database, OFF[0]) as (mine, clock), machine(database, timedelta()) as (theirs, _):
        first, second, third = await theirs.now(), await mine.now(), await theirs.now()
        assert first <= second <= third
        assert clock.now() - await mine.now() > timedelta(minutes=9)
