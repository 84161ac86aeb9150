"""A bucket goes with its source only where it may: nothing else in it, nobody in between, through kills as well."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from typing import Any

import pytest
from tests.sync.harm import on_call, resumed, take_over
from tests.sync.place import ROOT, Scene

from kist.errors import BucketMissing, LeaseLost
from kist.model.job import Job, JobState, SyncOptions

FILES = ("a", "b/c", "d")


async def synced(here: Scene) -> tuple[Scene, str]:
    """A bucket of its own, in step with a folder below a root."""
    bucket = f"gone-{uuid.uuid4().hex[:12]}"
    await here.kist.buckets.create(ROOT, bucket)
    scene = dataclasses.replace(here, folder=here.folder / "below", bucket=bucket)
    for key in FILES:
        scene.write(key, key.encode())
    job = await scene.sync(dest=bucket)
    assert job.state is JobState.SUCCEEDED
    return scene, bucket


async def removal(scene: Scene, **options: Any) -> Job:
    more = {"delete": True, "remove_bucket": True, "beneath": str(scene.folder.parent), **options}
    return await scene.sync(dest=scene.bucket, **more)


async def is_there(scene: Scene) -> bool:
    return scene.bucket in {bucket.name for bucket in await scene.kist.buckets.list(ROOT)}


async def test_a_bucket_goes_with_its_source(here: Scene) -> None:
    scene, bucket = await synced(here)
    scene.write("a", b"changed", age=0)
    assert (await scene.sync(dest=bucket)).state is JobState.SUCCEEDED, "there is something in the trash as well"
    shutil.rmtree(scene.folder)
    job = await removal(scene)
    assert (job.state, job.progress.deleted, job.progress.percent) == (JobState.SUCCEEDED, 3, 100)
    assert not await is_there(scene)
    with pytest.raises(BucketMissing):
        await scene.ports.catalogue.bucket(bucket)
    assert await scene.ports.catalogue.entries(bucket, 10) == ()


@pytest.mark.parametrize(
    "options",
    [{"remove_bucket": False}, {"beneath": None}, {"max_delete": 2}],
    ids=["nobody allows it", "nobody says below what", "more than may go unasked"],
)
async def test_it_stays_where_it_may_not_go(here: Scene, options: dict[str, Any]) -> None:
    scene, _ = await synced(here)
    shutil.rmtree(scene.folder)
    job = await removal(scene, **options)
    asked = "max_delete" in options
    assert job.state is (JobState.NEEDS_CONFIRMATION if asked else JobState.FAILED)
    assert await scene.keys("") == list(FILES)


async def test_a_part_of_a_bucket_never_takes_the_bucket_with_it(here: Scene) -> None:
    scene, bucket = await synced(here)
    assert (await scene.sync(dest=f"{bucket}/part")).state is JobState.SUCCEEDED
    shutil.rmtree(scene.folder)
    options: dict[str, Any] = {"delete": True, "remove_bucket": True, "beneath": str(scene.folder.parent)}
    assert (await scene.sync(dest=f"{bucket}/part", **options)).state is JobState.FAILED
    assert len(await scene.keys("")) == 6


async def test_it_stays_when_the_root_itself_is_gone(here: Scene) -> None:
    """A disk that is not mounted."""
    scene, _ = await synced(here)
    root = scene.folder.parent
    root.rename(root.with_name("aside"))
    job = await removal(scene)
    assert (job.state, await scene.keys("")) == (JobState.FAILED, list(FILES))
    job = await scene.sync(str(root), scene.bucket, delete=True, remove_bucket=True, beneath=str(root))
    assert (job.state, await scene.keys("")) == (JobState.FAILED, list(FILES))


async def test_what_comes_meanwhile_keeps_the_bucket(here: Scene) -> None:
    scene, _ = await synced(here)
    shutil.rmtree(scene.folder)

    async def put(count: int) -> None:
        if count == 1:
            await scene.put("late", b"late")

    job = await removal(on_call(scene, "erase", put))
    assert (job.state, "late has come meanwhile" in job.reason) == (JobState.FAILED, True)
    assert await scene.keys("") == [f".kist/trash/{job.id}/{key}" for key in FILES] + ["late"]
    undone = await scene.undo(job)
    assert undone.state is JobState.SUCCEEDED
    assert {key: await scene.get(key) for key in FILES} == {key: key.encode() for key in FILES}


async def test_a_worker_that_was_taken_for_dead_removes_nothing(here: Scene) -> None:
    scene, bucket = await synced(here)
    shutil.rmtree(scene.folder)
    options = SyncOptions(delete=True, remove_bucket=True, beneath=str(scene.folder.parent))
    job = await scene.kist.jobs.start(ROOT, str(scene.folder), bucket, options)

    async def lose(count: int) -> None:
        if count == 1:
            await take_over(scene, job.id)

    with pytest.raises(LeaseLost):
        await on_call(scene, "erase", lose).carry_out(job)
    assert await is_there(scene)
    ended = await resumed(scene, job.id)
    assert (ended.state, await is_there(scene)) == (JobState.SUCCEEDED, False)


async def test_another_worker_ends_what_one_began_that_was_killed_after_the_bucket_was_gone(here: Scene) -> None:
    scene, bucket = await synced(here)
    shutil.rmtree(scene.folder)
    options = SyncOptions(delete=True, remove_bucket=True, beneath=str(scene.folder.parent))
    job = await scene.kist.jobs.start(ROOT, str(scene.folder), bucket, options)

    async def lose(count: int) -> None:
        await take_over(scene, job.id)

    with pytest.raises(LeaseLost):
        await on_call(scene, "drop_bucket", lose).carry_out(job)
    ended = await resumed(scene, job.id)
    assert (ended.state, await is_there(scene)) == (JobState.SUCCEEDED, False)
