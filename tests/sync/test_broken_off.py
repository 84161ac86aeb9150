"""What a job had just done when it was broken off is a sync's all the same: an undo takes it back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.sync.harm import filled, killed, over, remove, resumed
from tests.sync.place import ROOT, Scene

from kist.errors import StoreRefused
from kist.model.job import Act, Job, JobState, StepState
from kist.model.place import Place
from kist.sync import journal


async def cancelled_after_a_kill(here: Scene, source: str, dest: str) -> Job:
    """A job that was killed right after it had sent its files, and then cancelled: another worker ends it."""
    job = await killed(here, await here.kist.jobs.start(ROOT, source, dest))
    assert {step.state for step in await here.steps(job)} == {StepState.PLANNED}
    assert (await here.kist.jobs.cancel(ROOT, job.id)).state is JobState.CANCELLING
    job = await resumed(here, job.id)
    assert job.state is JobState.CANCELLED
    return job


async def test_what_was_sent_before_a_kill_and_a_cancel_is_taken_back(here: Scene) -> None:
    before = await filled(here)
    here.write("new", b"new")
    here.write("sub/new", b"new too")
    here.write("04", b"changed", age=1)
    job = await cancelled_after_a_kill(here, str(here.folder), here.dest)
    assert {(step.key, step.state) for step in await here.steps(job)} == {
        (key, StepState.DONE) for key in ("new", "sub/new", "04")
    }
    assert (job.progress.files, await here.objects()) == (3, before | here.files())
    assert (await here.undo(job)).state is JobState.SUCCEEDED
    assert await here.objects() == before


async def test_what_was_sent_before_a_kill_and_a_cancel_belongs_to_the_sync(here: Scene) -> None:
    before = await filled(here)
    here.write("new", b"new")
    await cancelled_after_a_kill(here, str(here.folder), here.dest)
    remove(here, "new")
    assert (await here.sync(delete=True)).progress.deleted == 1
    assert await here.objects() == before


async def test_what_somebody_else_put_there_stays_theirs(here: Scene) -> None:
    before = await filled(here)
    here.write("new", b"new")
    job = await killed(here, await here.kist.jobs.start(ROOT, str(here.folder), here.dest))
    await here.kist.jobs.cancel(ROOT, job.id)
    await here.put("copy/new", b"by somebody else")
    await here.undo(await resumed(here, job.id))
    assert await here.objects() == before | {"new": b"by somebody else"}


async def test_a_folder_that_was_filled_before_a_kill_and_a_cancel(here: Scene, tmp_path: Path) -> None:
    await filled(here)
    back = tmp_path / "back"
    back.mkdir()
    job = await cancelled_after_a_kill(here, here.dest, str(back))
    there = [path for path in back.rglob("*") if path.is_file() and ".kist" not in path.parts]
    assert len(there) == job.progress.files > 0
    await here.undo(job)
    assert [path for path in back.rglob("*") if path.is_file() and ".kist" not in path.parts] == []


async def test_a_file_whose_answer_comes_too_late(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, but the job was broken off before it heard of it."""
    before = await filled(here)
    monkeypatch.setattr(journal, "GRACE", 0.1)
    here.write("new", b"new")
    arrived = asyncio.Event()

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(here.ports.store, name)

        async def put(self, *what: Any, **more: Any) -> Any:
            await here.ports.store.put(*what, **more)
            arrived.set()
            await asyncio.sleep(60)

    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    working = asyncio.create_task(over(here, Late()).carry_out(job))
    await arrived.wait()
    await here.kist.jobs.cancel(ROOT, job.id)
    job = await working
    assert job.state is JobState.CANCELLED
    assert await here.objects() == before | {"new": b"new"}
    await here.undo(job)
    assert await here.objects() == before


async def test_a_file_whose_answer_was_lost_belongs_to_the_job_that_is_resumed(here: Scene) -> None:
    before = await filled(here)
    for key in ("new", "sub/new"):
        here.write(key, b"new")
    here.write("04", b"changed", age=1)

    class Deaf:
        def __getattr__(self, name: str) -> Any:
            return getattr(here.ports.store, name)

        async def put(self, *what: Any, **more: Any) -> Any:
            await here.ports.store.put(*what, **more)
            raise StoreRefused("made up")

    job = await over(here, Deaf()).sync()
    assert (job.state, job.progress.errors) == (JobState.SUCCEEDED_WITH_ERRORS, 3)
    await here.kist.jobs.resume(ROOT, job.id)
    job = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    assert {(step.state, step.error) for step in await here.steps(job)} == {(StepState.DONE, None)}
    await here.undo(job)
    assert await here.objects() == before


async def test_an_undo_that_was_killed_and_cancelled_is_taken_back(here: Scene) -> None:
    await filled(here)
    here.write("04", b"changed", age=1)
    job = await here.sync()
    after = await here.objects()
    undone = await killed(here, await here.kist.jobs.undo(ROOT, job.id))
    assert await here.objects() != after
    await here.kist.jobs.cancel(ROOT, undone.id)
    undone = await resumed(here, undone.id)
    await here.undo(undone)
    assert await here.objects() == after


async def test_an_undo_of_an_undo_leaves_what_the_sync_had_left(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "sub/03")
    here.write("04", b"changed", age=1)
    here.write("new/file", b"new")
    job = await here.sync(delete=True)
    after = await here.objects()
    undone = await here.undo(job)
    assert await here.objects() == before
    again = await here.undo(undone)
    assert (again.state, again.reason) == (JobState.SUCCEEDED, "")
    assert await here.objects() == after
    assert {(step.key, step.act) for step in await here.steps(again)} == {
        ("01", Act.DELETE), ("sub/03", Act.DELETE), ("04", Act.RESTORE), ("new/file", Act.RESTORE),
    }  # fmt: skip
    await here.undo(again)
    assert await here.objects() == before


async def test_an_undo_of_an_undo_leaves_alone_what_changed_since(here: Scene) -> None:
    await filled(here)
    remove(here, "01")
    undone = await here.undo(await here.sync(delete=True))
    await here.put("copy/01", b"by somebody else")
    await here.undo(undone)
    assert (await here.objects())["01"] == b"by somebody else"


async def test_an_undo_of_an_undo_in_a_folder(here: Scene, tmp_path: Path) -> None:
    await filled(here)
    back = tmp_path / "back"
    back.mkdir()
    await here.sync(here.dest, str(back))
    before = {path.name for path in back.glob("*")}
    await here.ports.store.erase(*(Place(here.bucket, f"copy/{key}") for key in ("01", "02")))
    job = await here.sync(here.dest, str(back), delete=True)
    assert job.progress.deleted == 2
    undone = await here.undo(job)
    assert {path.name for path in back.glob("*")} == before
    await here.undo(undone)
    assert {path.name for path in back.glob("*")} == before - {"01", "02"}
