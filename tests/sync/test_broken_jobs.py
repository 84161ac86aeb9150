"""Jobs that are stopped, taken over, fail, are carried on and taken back: 0 objects are lost."""

from __future__ import annotations

import asyncio
import datetime
import os
import shutil

import msgspec
import pytest
from tests.sync.harm import (
    MANY,
    check_nothing_lost,
    fill,
    filled,
    on_call,
    over,
    remove,
    sync_with,
    take_over,
)
from tests.sync.place import ROOT, Scene

from kist.errors import InProgress, LeaseLost, WrongState
from kist.model.changes import Swap
from kist.model.job import Act, Job, JobState, StepState
from kist.sync import journal, running, walk
from kist.testing.faults import Fault, Faults, Kind, faulty

HOUR = 3600.0


# --- stopped, taken over, failed -------------------------------------------------------------------------------------


async def test_cancelled_before_a_worker_begins(here: Scene) -> None:
    before = await filled(here)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    assert (await here.kist.jobs.cancel(ROOT, job.id)).state is JobState.CANCELLED
    assert await here.work.claimed(await here.kist.jobs.get(ROOT, job.id), "late") is None
    assert await here.objects() == before


@pytest.mark.parametrize("at", [JobState.PLANNING, JobState.RUNNING])
async def test_cancelled_between(here: Scene, at: JobState) -> None:
    before = await filled(here)
    remove(here, "01")
    here.write("new")

    async def cancel(job: Job) -> None:
        await here.kist.jobs.cancel(ROOT, job.id)

    job = await sync_with(here, cancel, at=at, delete=True)
    assert (job.state, job.progress.deleted) == (JobState.CANCELLED, 0)
    now = await here.objects()
    assert {key: now[key] for key in before} == before
    assert await here.kist.jobs.cancel(ROOT, job.id) == job, "one that has ended stays as it is"


@pytest.mark.parametrize("call", ["copy", "erase"])
async def test_cancelled_in_the_middle_of_deletions(here: Scene, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "DELETED_TOGETHER", 8)
    monkeypatch.setattr(journal, "GRACE", 60.0)  # what is under way comes to its end, whatever holds it up
    before = await filled(here)
    remove(here, *(f"{number:02}" for number in range(MANY) if number % 3))
    started: list[str] = []

    async def cancel(count: int) -> None:
        if count == 5 or (call == "erase" and count == 1):
            await here.kist.jobs.cancel(ROOT, started[0])

    stopped = on_call(here, call, cancel)
    job = await here.sync(delete=True)
    started.append(job.id)
    await here.kist.jobs.confirm(ROOT, job.id)
    job = await stopped.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert job.state is JobState.CANCELLED
    assert len(await here.objects()) == (len(before) if call == "copy" else len(before) - 8)
    await check_nothing_lost(here, before)
    assert (await here.undo(job)).state is JobState.SUCCEEDED
    assert await here.objects() == before


async def test_the_lease_is_lost_before_a_batch_of_deletions(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02")

    async def lose(count: int) -> None:
        if count == 1:
            (job,) = await here.ports.catalogue.unended_jobs()
            await take_over(here, job.id)

    with pytest.raises(LeaseLost):
        await on_call(here, "copy", lose).sync(delete=True)
    assert await here.objects() == before


async def test_a_send_that_fails_before_the_deletions(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02")
    here.write("new")
    faults = Faults(here.ports.clock, Fault(Kind.FULL, "put", times=None))
    job = await over(here, faulty(here.ports.store, faults)).sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED_WITH_ERRORS, 0)
    passed = [step for step in await here.steps(job) if step.act is Act.DELETE]
    assert {(step.state, step.error) for step in passed} == {
        (StepState.PASSED, "not deleted: other files could not be sent")
    }
    assert await here.objects() == before


async def test_what_cannot_be_put_aside_is_not_deleted(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02")
    here.write("04", b"changed", age=1)
    faults = Faults(here.ports.clock, Fault(Kind.FULL, "copy", times=None))
    job = await over(here, faulty(here.ports.store, faults)).sync(delete=True)
    assert (job.state, job.progress.deleted, job.progress.files) == (JobState.SUCCEEDED_WITH_ERRORS, 0, 0)
    assert await here.objects() == before


async def test_a_source_file_that_goes_after_the_plan(here: Scene) -> None:
    before = await filled(here)
    here.write("new")
    here.write("other")

    async def go(job: Job) -> None:
        remove(here, "new")

    job = await sync_with(here, go, delete=True)
    assert (job.state, job.progress.files, job.progress.errors) == (JobState.SUCCEEDED_WITH_ERRORS, 1, 1)
    assert await here.objects() == before | {"other": b"data"}


@pytest.mark.parametrize("seconds", [-HOUR, HOUR, -30 * 24 * HOUR])
async def test_a_clock_that_jumps(here: Scene, seconds: float) -> None:
    """Files that seem to come from the future or from long ago; sizes and manifest decide, never the hour."""
    before = await filled(here)
    for path in here.folder.rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime + seconds
            os.utime(path, (then, then))
    job = await here.sync(delete=True, max_delete=0)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 0)
    assert await here.objects() == before


async def test_a_lease_that_was_given_before_the_clock_was_set_back(here: Scene) -> None:
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    lease = await here.work.claimed(job, "dead")
    assert lease is not None
    assert await here.work.claimed(lease.job, "another") is None
    assert lease.job.lease_until is not None
    late = msgspec.structs.replace(lease.job, lease_until=lease.job.lease_until + datetime.timedelta(hours=1))
    await here.ports.catalogue.commit(Swap(lease.job, late))
    assert await here.work.claimed(late, "another") is not None


# --- taken back ------------------------------------------------------------------------------------------------------


async def changed_much(here: Scene) -> tuple[dict[str, bytes], Job]:
    before = await filled(here)
    remove(here, "01", "02", "sub/03")
    here.write("04", b"changed", age=1)
    here.write("sub/06", b"changed too", age=1)
    here.write("new/file", b"new")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted, job.progress.files) == (JobState.SUCCEEDED, 3, 3)
    return before, job


async def test_undo_twice(here: Scene) -> None:
    before, job = await changed_much(here)
    for _ in range(2):
        undone = await here.undo(job)
        assert (undone.state, undone.reason) == (JobState.SUCCEEDED, "")
        assert await here.objects() == before


async def test_undo_after_a_newer_sync(here: Scene) -> None:
    before, job = await changed_much(here)
    here.write("01", b"back again")
    here.write("04", b"changed once more")
    await here.sync(delete=True)
    await here.undo(job)
    now = await here.objects()
    assert (now["01"], now["04"]) == (b"back again", b"changed once more")
    assert (now["02"], now["sub/03"], now["sub/06"]) == (before["02"], before["sub/03"], before["sub/06"])


async def test_undo_without_the_source(here: Scene) -> None:
    before, job = await changed_much(here)
    shutil.rmtree(here.folder)
    assert (await here.undo(job)).state is JobState.SUCCEEDED
    assert await here.objects() == before


async def test_undo_of_an_undo(here: Scene) -> None:
    _, job = await changed_much(here)
    undone = await here.undo(job)
    await here.undo(undone)
    now = await here.objects()
    assert (now["04"], now["sub/06"]) == (b"changed", b"changed too")


async def test_undo_of_a_job_that_was_carried_on(here: Scene) -> None:
    """What the first try did is taken back as well, whatever became of the same files in the second."""
    before = await filled(here)
    for key in ("01", "02", "04"):
        here.write(key, b"first", age=5)
    here.write("new", b"first")

    async def refuse(count: int) -> None:
        if count == 4:
            raise WrongState("made up")

    job = await on_call(here, "put", refuse).sync(at_once=1)
    assert (job.state, job.progress.files) == (JobState.SUCCEEDED_WITH_ERRORS, 3)
    here.write("01", b"second")
    remove(here, "02")
    await here.kist.jobs.resume(ROOT, job.id)
    job = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    assert (await here.objects())["01"] == b"second"
    assert (await here.undo(job)).state is JobState.SUCCEEDED
    assert await here.objects() == before


async def test_a_job_that_is_carried_on_keeps_what_others_put_there_meanwhile(here: Scene) -> None:
    before = await filled(here)
    here.write("01", b"first", age=5)
    here.write("new", b"first")

    async def refuse(count: int) -> None:
        if count == 2:
            raise WrongState("made up")

    job = await on_call(here, "put", refuse).sync(at_once=1)
    await here.put("copy/01", b"by somebody else")
    await here.kist.jobs.resume(ROOT, job.id)
    job = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (await here.objects())["01"] == b"first"
    await check_nothing_lost(here, before)
    await check_nothing_lost(here, {"01": b"by somebody else"})


# --- two at once, and what nobody foresaw ----------------------------------------------------------------------------


async def test_two_jobs_at_one_place(here: Scene) -> None:
    fill(here)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    for source, dest in (
        (str(here.folder), here.dest),
        (str(here.folder), f"{here.dest}/deeper"),
        (str(here.folder), here.bucket),
        (here.dest, f"{here.bucket}/elsewhere"),
        (f"{here.bucket}/elsewhere", str(here.folder / "sub")),
    ):
        with pytest.raises(InProgress):
            await here.kist.jobs.start(ROOT, source, dest)
    beside = await here.kist.jobs.start(ROOT, str(here.folder), f"{here.bucket}/copy2")
    for each in (job, beside):
        assert (await here.carry_out(each)).state is JobState.SUCCEEDED


async def test_an_error_that_nobody_foresaw_ends_the_job(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not tried for ever, and it deletes nothing."""
    before = await filled(here)
    remove(here, "01")
    monkeypatch.setattr(walk, "_looked_at", lambda entry, key, plain: 1 / 0)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    working = asyncio.create_task(here.work.worker(here.kist).run())
    while not job.state.ended:
        await asyncio.sleep(0.02)
        job = await here.kist.jobs.get(ROOT, job.id)
    working.cancel()
    assert (job.state, "nobody foresaw" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before
