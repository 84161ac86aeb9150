"""A bucket that becomes another's while a job names it: nothing is read from it or written to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import disk_settings
from tests.servers.pauses import postgres_may_pause
from tests.sync.place import ROOT, Scene, one, scene

from kist.errors import BucketMissing, BucketNotEmpty, InProgress, NotAllowed
from kist.model.actor import Actor
from kist.model.changes import Drop, Swap
from kist.model.content import PutRules
from kist.model.job import Job, JobState, SyncOptions
from kist.model.place import Place
from kist.testing.catalogue_samples import changed

EVE, BOB = Actor("eve"), Actor("bob")
SECRET = "a secret for tests of 32 and more characters"


async def put(here: Scene, bucket: str, key: str) -> None:
    await here.ports.store.put(Place(bucket, key), one(b"data"), PutRules(size=4))


async def keys(here: Scene, bucket: str) -> list[str]:
    found = [listed.key async for listed in here.ports.store.list(bucket)]
    return [key for key in found if not key.startswith(".kist/")]


async def becomes_bobs(here: Scene, bucket: str) -> None:
    """As when it was removed by a Kist that did not look at jobs."""
    for key in [listed.key async for listed in here.ports.store.list(bucket)]:
        await here.ports.store.erase(Place(bucket, key))
    await here.ports.catalogue.commit(Drop(await here.ports.catalogue.bucket(bucket)))
    assert here.ports.holds_buckets is not None
    await here.ports.holds_buckets.drop_bucket(bucket)
    await here.kist.buckets.create(BOB, bucket)
    await put(here, bucket, "diary")


@pytest.fixture
async def ends(here: Scene) -> tuple[str, str]:
    names = (f"{here.bucket}-one", f"{here.bucket}-two")
    for name in names:
        await here.kist.buckets.create(EVE, name)
    await put(here, names[0], "mine")
    return names


async def start(here: Scene, source: str, dest: str, **options: Any) -> Job:
    return await here.kist.jobs.start(EVE, source, dest, SyncOptions(**options))


@pytest.mark.parametrize("which", [0, 1])
async def test_a_job_that_is_resumed(here: Scene, ends: tuple[str, str], which: int) -> None:
    job = await start(here, *ends)
    await here.kist.jobs.cancel(EVE, job.id)
    await becomes_bobs(here, ends[which])
    for actor in (EVE, ROOT):
        with pytest.raises(BucketMissing):
            await here.kist.jobs.resume(actor, job.id)
    assert (await here.kist.jobs.get(EVE, job.id)).state is JobState.CANCELLED


@pytest.mark.parametrize("which", [0, 1])
async def test_a_job_that_waits_for_a_yes(here: Scene, ends: tuple[str, str], which: int) -> None:
    await put(here, ends[0], "gone")
    await here.carry_out(await start(here, *ends))
    await here.ports.store.erase(Place(ends[0], "gone"))
    job = await here.carry_out(await start(here, *ends, delete=True, max_delete=0))
    assert job.state is JobState.NEEDS_CONFIRMATION
    await becomes_bobs(here, ends[which])
    for actor in (EVE, ROOT):
        with pytest.raises(BucketMissing):
            await here.kist.jobs.confirm(actor, job.id)


async def test_a_yes_of_somebody_who_is_no_admin_any_more(here: Scene) -> None:
    job = await here.kist.jobs.start(Actor("eve", ROOT.role), str(here.folder), here.dest)
    waiting = changed(job, state=JobState.NEEDS_CONFIRMATION)
    await here.ports.catalogue.commit(Swap(job, waiting))
    with pytest.raises(NotAllowed):
        await here.kist.jobs.confirm(EVE, job.id)


@pytest.mark.parametrize("which", [0, 1])
async def test_a_job_that_begins(here: Scene, ends: tuple[str, str], which: int) -> None:
    job = await start(here, *ends)
    await becomes_bobs(here, ends[which])
    done = await here.carry_out(job)
    assert (done.state, done.reason.partition(":")[0]) == (JobState.FAILED, "bucket_missing")
    assert await keys(here, ends[which]) == ["diary"]
    assert await keys(here, ends[1 - which]) in ([], ["mine"])


@pytest.mark.parametrize("which", [0, 1])
async def test_a_bucket_stays_while_a_job_names_it(here: Scene, ends: tuple[str, str], which: int) -> None:
    await here.ports.store.erase(Place(ends[0], "mine"))
    job = await start(here, *ends)
    for actor in (EVE, ROOT):
        with pytest.raises(BucketNotEmpty, match="sync"):
            await here.kist.buckets.remove(actor, ends[which])
    await here.kist.jobs.cancel(EVE, job.id)
    await here.kist.buckets.remove(EVE, ends[which])


async def test_two_that_are_resumed_at_once(here: Scene, ends: tuple[str, str]) -> None:
    dest, others = f"{ends[1]}/x", (ends[0], f"{ends[1]}/y")
    jobs = [await here.kist.jobs.cancel(EVE, (await start(here, each, dest)).id) for each in others]
    both = await asyncio.gather(*(here.kist.jobs.resume(EVE, job.id) for job in jobs), return_exceptions=True)
    assert sorted(type(each).__name__ for each in both) == ["InProgress", "Job"]


@pytest.fixture
def patient() -> Iterator[None]:
    """This is not about how long the database may stand still."""
    with postgres_may_pause():
        yield


@pytest.mark.usefixtures("patient")
async def test_two_processes_on_one_database(database: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    settings = disk_settings(tmp_path / "home", KIST_DATABASE=database, KIST_SECRET=SECRET)
    here, beside = [await scene(settings, tmp_path / "folder") for _ in range(2)]
    for number in range(10):
        dest = f"{here.bucket}/{number}"
        cancelled = [
            await here.kist.jobs.cancel(ROOT, (await here.kist.jobs.start(ROOT, str(tmp_path / name), dest)).id)
            for name in ("folder", "other")
        ]
        both = await asyncio.gather(
            here.kist.jobs.resume(ROOT, cancelled[0].id),
            beside.kist.jobs.resume(ROOT, cancelled[1].id),
            beside.kist.jobs.start(ROOT, str(tmp_path / "third"), dest),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in both) == ["InProgress", "InProgress", "Job"]
    for each in (here, beside):
        await each.kist.close()


async def test_one_that_is_resumed_beside_one_that_is_started(here: Scene, ends: tuple[str, str]) -> None:
    jobs = here.kist.jobs
    job = await jobs.cancel(EVE, (await start(here, *ends)).id)
    both = await asyncio.gather(
        jobs.resume(EVE, job.id), jobs.start(EVE, ends[0], f"{ends[1]}/below"), return_exceptions=True
    )
    assert [type(each) for each in both if not isinstance(each, Job)] == [InProgress]
