"""What a sync may delete, and when somebody has to say yes first: 0 objects are lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sync.harm import (
    MANY,
    check_nothing_lost,
    filled,
    notes,
    remove,
    sync_with,
)
from tests.sync.place import ROOT, Scene

from kist.errors import Clash
from kist.model.job import Act, Job, JobState
from kist.model.place import Place

# --- links -----------------------------------------------------------------------------------------------------------


async def test_what_lies_behind_a_link_stays(here: Scene, tmp_path: Path) -> None:
    """A folder that was moved to another disk and linked to is not gone."""
    for key in ("photos/a", "photos/deep/b", "photos-old/c", "photos.txt", "photos0", "photo", "q"):
        here.write(key)
    await here.sync()
    before = await here.objects()
    (here.folder / "photos").rename(tmp_path / "disk")
    (here.folder / "photos").symlink_to(tmp_path / "disk")
    remove(here, "photos-old/c", "photos0")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 2)
    assert {key: data for key, data in before.items() if key not in ("photos-old/c", "photos0")} == await here.objects()
    why = "behind a link of the source, which is not followed: left alone"
    noted = {step.key: step.reason for step in await here.steps(job) if step.act is Act.NOTE}
    assert {key for key, reason in noted.items() if reason == why} == {"photos/a", "photos/deep/b"}


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


async def test_an_object_that_comes_where_a_sync_saw_its_own_gone(here: Scene) -> None:
    """Even one of the same bytes is somebody else's."""
    before = await filled(here)
    remove(here, "01")
    await here.ports.store.erase(Place(here.bucket, "copy/01"))
    assert (await here.sync(delete=True, dry_run=True)).state is JobState.SUCCEEDED
    assert (await here.sync(delete=True)).state is JobState.SUCCEEDED
    await here.put("copy/01", before["01"])
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 0)
    assert await here.objects() == before


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
