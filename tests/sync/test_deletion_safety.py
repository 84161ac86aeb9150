"""Everything that has ever made a sync delete the good copy, tried on every store: 0 objects are lost."""

from __future__ import annotations

import asyncio
import datetime
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sync.harm import (
    MANY,
    check_nothing_lost,
    fill,
    filled,
    lists_through,
    on_call,
    over,
    sync_with,
    take_over,
)
from tests.sync.place import ROOT, Scene

from kist.errors import Clash, InProgress, LeaseLost, WrongState
from kist.model.changes import Swap
from kist.model.content import Listed
from kist.model.job import Act, Job, JobState, StepState
from kist.ports.tree import Trouble
from kist.sync import local, running, walk
from kist.testing.faults import Fault, Faults, Kind, faulty

HOUR = 3600.0
NOBODY = 65534
REPOSITORY = Path(__file__).parents[2]


def remove(here: Scene, *keys: str) -> None:
    for key in keys:
        (here.folder / key).unlink()


async def notes(here: Scene, job: Job, act: Act) -> dict[str, str]:
    return {step.key: step.error or step.reason for step in await here.steps(job) if step.act is act}


# --- the source is not what it was -----------------------------------------------------------------------------------


async def test_a_missing_source(here: Scene) -> None:
    before = await filled(here)
    shutil.rmtree(here.folder)
    job = await here.sync(delete=True)
    assert (job.state, "source_missing" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_an_empty_source(here: Scene) -> None:
    before = await filled(here)
    shutil.rmtree(here.folder)
    here.folder.mkdir()
    job = await here.sync(delete=True, max_delete=1000)
    assert (job.state, "empty" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_a_source_in_which_nothing_can_be_synced(here: Scene) -> None:
    before = await filled(here)
    shutil.rmtree(here.folder)
    here.folder.mkdir()
    (here.folder / "link").symlink_to("/etc/passwd")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.NEEDS_CONFIRMATION, 0)
    assert await here.objects() == before


async def exchanged(here: Scene, *gone: str) -> None:
    """Another folder at the same address, with the same files but for some."""
    old = here.folder.rename(here.folder.with_name("old"))
    shutil.copytree(old, here.folder)
    remove(here, *gone)


async def test_another_folder_at_the_same_address(here: Scene) -> None:
    before = await filled(here)
    await exchanged(here, "01")
    job = await here.sync(delete=True)
    assert (job.state, "not the folder" in job.reason) == (JobState.NEEDS_CONFIRMATION, True)
    assert await here.objects() == before
    await here.kist.jobs.confirm(ROOT, job.id, job.plan)
    job = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 1)
    await check_nothing_lost(here, before)


async def test_another_folder_is_not_the_right_one_because_it_was_synced_without_deletions(here: Scene) -> None:
    before = await filled(here)
    await exchanged(here, "01")
    assert (await here.sync()).state is JobState.SUCCEEDED
    assert (await here.sync(delete=True)).state is JobState.NEEDS_CONFIRMATION
    assert await here.objects() == before


async def test_a_file_system_that_is_no_longer_mounted_below(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is an empty folder: fewer files than the guards count."""
    here.write("disk/file")
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(here.folder / "disk"):
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(os, "fstat", fstat)
    before = await filled(here)
    monkeypatch.undo()
    remove(here, "disk/file")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.NEEDS_CONFIRMATION, 0)
    assert await here.objects() == before


async def test_a_source_that_is_a_link(here: Scene) -> None:
    before = await filled(here)
    real = here.folder.rename(here.folder.with_name("real"))
    here.folder.symlink_to(real)
    job = await here.sync(delete=True)
    assert (job.state, "source_missing" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_a_source_that_is_exchanged_while_it_is_listed(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(here)
    remove(here, "01")
    real = walk._looked_at

    def looked_at(entry: os.DirEntry[str], key: str) -> Any:
        if key == "02":
            here.folder.rename(here.folder.with_name("old"))
            here.folder.mkdir()
        return real(entry, key)

    monkeypatch.setattr(walk, "_looked_at", looked_at)
    job = await here.sync(delete=True)
    assert job.progress.deleted == 0
    assert await here.objects() == before


# --- the source cannot be seen whole ---------------------------------------------------------------------------------


@contextmanager
def _failing(entries: Any, after: int) -> Iterator[Iterator[Any]]:
    def some() -> Iterator[Any]:
        for number, entry in enumerate(entries):
            if number == after:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            yield entry

    with entries:
        yield some()


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_a_folder_that_cannot_be_read_to_its_end(
    here: Scene, monkeypatch: pytest.MonkeyPatch, after: int | None
) -> None:
    before = await filled(here)
    remove(here, "01")
    here.write("new")
    real = os.scandir

    def scandir(descriptor: int) -> Any:
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(here.folder / "sub"):
            return real(descriptor)
        if after is None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return _failing(real(descriptor), after)

    monkeypatch.setattr(os, "scandir", scandir)
    job = await here.sync(delete=True, max_delete=1000)
    assert (job.state, job.progress.files, job.progress.deleted) == (JobState.SUCCEEDED_WITH_ERRORS, 1, 0)
    assert "cannot be listed" in (await notes(here, job, Act.NOTE))["sub/"]
    assert await here.objects() == before | {"new": b"data"}


async def test_a_file_that_cannot_be_looked_at(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(here)
    remove(here, "01", "02")
    real = local.item_of

    def item_of(key: str, status: os.stat_result) -> Any:
        if key == "04":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(key, status)

    monkeypatch.setattr(folder, "item_of", item_of)
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED_WITH_ERRORS, 0)
    assert await here.objects() == before


async def test_an_excluded_folder_need_not_be_readable(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(here)
    here.write("lost+found/x")
    remove(here, "01")
    real = walk._folder
    trouble = Trouble("lost+found/", "cannot be opened", hides=True)
    monkeypatch.setattr(walk, "_folder", lambda at, name, key: trouble if key[0] == "l" else real(at, name, key))
    assert (await here.sync(delete=True)).progress.deleted == 0
    assert (await here.sync(delete=True, exclude=("lost+found/",))).progress.deleted == 1


def test_folders_and_files_that_may_not_be_read() -> None:
    """As somebody who is not root. Only what can be read is sent, and nothing is deleted."""
    with tempfile.TemporaryDirectory(prefix="kist-sync-") as home:
        nobody: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
            nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        program = (sys.executable, "-m", "tests.sync.unreadable", home)
        done = subprocess.run(
            program, cwd=REPOSITORY, text=True, capture_output=True, timeout=60, check=False, **nobody
        )
        assert done.stdout.split() == ["succeeded_with_errors", "0", "True", "True"], done.stderr


# --- listings that lie -----------------------------------------------------------------------------------------------


async def truncated(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    count = 0
    async for listed in listing:
        count += 1
        if count > 5 and prefix:
            return
        yield listed


async def backwards(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    found = [listed async for listed in listing]
    for listed in reversed(found) if prefix else found:
        yield listed


async def looping(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    found = [listed async for listed in listing]
    for _ in range(3 if prefix else 1):
        for listed in found:
            yield listed


async def broken(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    async for listed in truncated(prefix, listing):
        yield listed
    if prefix:
        raise WrongState("the listing broke off")


LIES = {"truncated": truncated, "backwards": backwards, "looping": looping, "broken": broken}


@pytest.mark.parametrize("lie", LIES)
async def test_a_listing_of_the_destination(here: Scene, lie: str) -> None:
    before = await filled(here)
    await here.put("copy/new", b"another's")
    here.write("new", b"mine")
    remove(here, "01")
    job = await lists_through(here, LIES[lie]).sync(delete=True)
    if lie == "truncated":
        assert job.state is JobState.SUCCEEDED_WITH_ERRORS, "nobody can see that it is not whole"
        assert "something was put" in (await notes(here, job, Act.CREATE))["new"]
    else:
        assert job.state is JobState.FAILED
    assert await here.objects() == before | {"new": b"another's"}


@pytest.mark.parametrize("lie", LIES)
async def test_a_listing_of_the_source(here: Scene, lie: str) -> None:
    await filled(here)
    await here.sync(here.dest, f"{here.bucket}/mirror")
    lying = lists_through(here, lambda prefix, listing: LIES[lie](prefix if prefix == "copy/" else "", listing))
    job = await lying.sync(here.dest, f"{here.bucket}/mirror", delete=True)
    assert job.state is (JobState.NEEDS_CONFIRMATION if lie == "truncated" else JobState.FAILED)
    assert len(await here.keys("mirror/")) == MANY + 1


# --- too many, and who says yes --------------------------------------------------------------------------------------


async def test_more_than_a_tenth(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02", "04", "05")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted, job.progress.deleted_total) == (JobState.NEEDS_CONFIRMATION, 0, 4)
    assert "confirm" in job.reason
    assert await here.objects() == before


async def test_more_than_the_most(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02")
    job = await here.sync(delete=True, max_delete=1)
    assert (job.state, job.progress.deleted) == (JobState.NEEDS_CONFIRMATION, 0)
    assert await here.objects() == before
    await here.kist.jobs.cancel(ROOT, job.id)
    assert (await here.kist.jobs.get(ROOT, job.id)).state is JobState.CANCELLED
    assert await here.objects() == before


async def test_more_than_a_hundred(here: Scene) -> None:
    before = await filled(here, 1100)
    remove(here, *(f"{number:02}" for number in range(200) if number % 3))
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.NEEDS_CONFIRMATION, 0)
    assert "more than 100" in job.reason
    assert await here.objects() == before


async def test_confirmed(here: Scene) -> None:
    before = await filled(here)
    remove(here, *(f"{number:02}" for number in range(MANY) if number % 3))
    job = await here.sync(delete=True)
    with pytest.raises(Clash):
        await here.kist.jobs.confirm(ROOT, job.id, "0" * 64)
    await here.kist.jobs.confirm(ROOT, job.id, job.plan)
    job = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 20)
    assert await here.objects() == here.files() | {"foreign": b"not of a sync"}
    await check_nothing_lost(here, before)


async def test_a_plan_that_is_another_one_by_now(here: Scene) -> None:
    before = await filled(here)
    remove(here, *(f"{number:02}" for number in range(10) if number % 3))
    job = await here.sync(delete=True)
    await here.kist.jobs.confirm(ROOT, job.id, job.plan)
    remove(here, "20")
    again = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (again.state, again.plan != job.plan) == (JobState.NEEDS_CONFIRMATION, True)
    assert await here.objects() == before


# --- whose object it is ----------------------------------------------------------------------------------------------


async def test_objects_that_no_sync_put_there(here: Scene) -> None:
    for number in range(10):
        await here.put(f"copy/foreign {number}", b"not ours")
    before = await filled(here)
    job = await here.sync(delete=True, max_delete=1000)
    assert (job.progress.deleted, len(await notes(here, job, Act.NOTE))) == (0, 11)
    assert await here.objects() == before


async def test_an_object_that_somebody_changed_since(here: Scene) -> None:
    before = await filled(here)
    await here.put("copy/01", b"by somebody else")
    remove(here, "01", "02")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 1)
    assert (await here.objects())["01"] == b"by somebody else"
    await check_nothing_lost(here, before | {"01": b"by somebody else"})


async def test_an_object_that_somebody_changes_after_the_plan(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02")

    async def change(job: Job) -> None:
        await here.put("copy/01", b"by somebody else")

    job = await sync_with(here, change, delete=True)
    assert job.state is JobState.SUCCEEDED_WITH_ERRORS
    assert (await here.objects())["01"] == b"by somebody else"
    await check_nothing_lost(here, before | {"01": b"by somebody else"})


async def test_an_object_that_somebody_replaces_after_the_plan(here: Scene) -> None:
    before = await filled(here)
    here.write("01", b"changed here", age=1)

    async def change(job: Job) -> None:
        await here.put("copy/01", b"by somebody else")

    job = await sync_with(here, change)
    assert (job.state, job.progress.errors) == (JobState.SUCCEEDED_WITH_ERRORS, 1)
    assert await here.objects() == before | {"01": b"by somebody else"}


async def test_an_object_that_somebody_makes_after_the_plan(here: Scene) -> None:
    before = await filled(here)
    here.write("new", b"ours")

    async def make(job: Job) -> None:
        await here.put("copy/new", b"by somebody else")

    job = await sync_with(here, make)
    assert (job.state, job.progress.errors) == (JobState.SUCCEEDED_WITH_ERRORS, 1)
    assert await here.objects() == before | {"new": b"by somebody else"}


async def test_an_object_that_somebody_put_again(here: Scene) -> None:
    """The same bytes, but not of a sync any more."""
    await filled(here)
    data = here.files()["01"]
    remove(here, "01")
    assert (await here.sync(delete=True)).progress.deleted == 1
    await here.put("copy/01", data)
    assert (await here.sync(delete=True)).progress.deleted == 0
    assert (await here.objects())["01"] == data


async def test_a_neighbour_whose_name_begins_alike(here: Scene) -> None:
    await filled(here)
    await here.sync(dest=f"{here.bucket}/copy2")
    await here.put("copy-foreign", b"beside it")
    remove(here, "01", "02")
    assert (await here.sync(delete=True)).progress.deleted == 2
    assert len(await here.keys("copy2/")) == MANY
    assert await here.get("copy-foreign") == b"beside it"


async def test_what_is_excluded_stays(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "sub/03")
    job = await here.sync(delete=True, exclude=("sub/",))
    assert job.progress.deleted == 1
    assert await here.objects() == {key: data for key, data in before.items() if key != "01"}
    job = await here.sync(delete=True, include=("1*",))
    assert job.progress.deleted == 0


# --- Kist's own ------------------------------------------------------------------------------------------------------


async def test_what_is_kists_own_in_a_bucket(here: Scene) -> None:
    here.write("a")
    here.write(".kist/objects/x", b"in the folder")
    (here.folder / "sub/.kist").mkdir(parents=True)
    here.write("sub/.kist/is a folder like any other")
    await here.put(".kist/objects/x", b"Kist's own")
    for delete in (False, True):
        job = await here.sync(dest=here.bucket, delete=delete, max_delete=1000)
        assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
        assert await here.get(".kist/objects/x") == b"Kist's own"
    assert await here.keys("") == [".kist/objects/x", "a", "sub/.kist/is a folder like any other"]


async def test_a_prefix_that_holds_what_looks_like_kists_own(here: Scene, tmp_path: Path) -> None:
    """A key below a prefix must not become one of Kist's own at the other end."""
    await here.put("copy/.kist/objects/x", b"planted")
    await here.put("copy/a", b"a")
    await here.put(".kist/objects/x", b"Kist's own")
    back = tmp_path / "back"
    back.mkdir()
    assert (await here.sync(here.dest, str(back))).state is JobState.SUCCEEDED
    assert [path.name for path in back.iterdir() if path.name != ".kist"] == ["a"]
    assert not (back / ".kist/objects").exists()
    await here.ports.store.make_bucket("another")  # type: ignore[attr-defined]
    await here.sync(here.dest, "another")
    assert await here.get(".kist/objects/x") == b"Kist's own"
    assert [listed.key async for listed in here.ports.store.list("another")] == ["a"]


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
    monkeypatch.setattr(walk, "_looked_at", lambda entry, key: 1 / 0)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    working = asyncio.create_task(here.work.worker(here.kist).run())
    while not job.state.ended:
        await asyncio.sleep(0.02)
        job = await here.kist.jobs.get(ROOT, job.id)
    working.cancel()
    assert (job.state, "nobody foresaw" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before
