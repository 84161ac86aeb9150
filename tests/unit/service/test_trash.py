"""What syncs put aside is kept for a while, in every bucket, and then erased; nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.service.direct import DirectWorld, SigningStore
from tests.unit.service.world import ANN, BUCKET, ROOT, blocks

from kist.drive import drive
from kist.errors import StoreRefused
from kist.model.changes import Swap
from kist.model.content import PutRules
from kist.model.job import Job, JobState
from kist.model.place import Place
from kist.testing.catalogue_samples import changed


def put(world: DirectWorld, bucket: str, key: str) -> None:
    drive(world.store.put(Place(bucket, key), blocks(b"old"), PutRules()))


def keys(world: DirectWorld, bucket: str) -> list[str]:
    async def listed() -> list[str]:
        return [listed.key async for listed in world.store.list(bucket)]

    return drive(listed())


def test_trash_goes_when_its_time_is_over() -> None:
    world = DirectWorld()
    drive(world.kist.buckets.create(ANN, "anns-files"))
    for bucket in (BUCKET, "anns-files"):
        put(world, bucket, ".kist/trash/1/a.txt")
        put(world, bucket, "readable")
    kept = world.put(ANN, "a", b"kept")
    assert drive(world.kist.upkeep.erase_trash()) == 0
    world.clock.advance(timedelta(days=7, seconds=1).total_seconds())
    put(world, BUCKET, ".kist/trash/2/b.txt")
    assert drive(world.kist.upkeep.erase_trash()) == 2
    assert world.objects() == {".kist/trash/2/b.txt", "readable", kept.key}


def a_sync(world: DirectWorld, dest: str, *, ended: bool = True) -> Job:
    job = drive(world.kist.jobs.start(ROOT, "/folder", dest))
    if ended:
        over = changed(job, state=JobState.SUCCEEDED, ended_at=world.clock.now())
        drive(world.catalogue.commit(Swap(job, over)))
    return job


def test_trash_in_a_bucket_that_was_not_made_here_goes_where_a_job_of_ours_put_it() -> None:
    world = DirectWorld()
    for bucket in ("theirs", "others", "gone"):
        drive(world.store.make_bucket(bucket))
    ours, at_work = a_sync(world, "theirs/copy"), a_sync(world, "theirs/more", ended=False)
    elsewhere, _ = a_sync(world, "others"), a_sync(world, "gone")
    drive(world.store.drop_bucket("gone"))
    old = [f".kist/trash/{ours.id}{rest}" for rest in ("/copy/a", "~/ab12", ".2/copy/a")]
    kept = [f".kist/trash/{name}/a" for name in (at_work.id, elsewhere.id, "of another Kist")] + ["readable"]
    for key in (*old, *kept):
        put(world, "theirs", key)
    assert drive(world.kist.upkeep.erase_trash()) == 0
    world.clock.advance(timedelta(days=7, seconds=1).total_seconds())
    put(world, "theirs", f".kist/trash/{ours.id}/young")
    assert drive(world.kist.upkeep.erase_trash()) == len(old)
    assert keys(world, "theirs") == sorted([*kept, f".kist/trash/{ours.id}/young"])


def test_a_bucket_that_refuses_does_not_keep_the_others_from_being_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    world = DirectWorld()
    for bucket in ("closed", "theirs"):
        drive(world.store.make_bucket(bucket))
        put(world, bucket, f".kist/trash/{a_sync(world, bucket).id}/a")
    world.clock.advance(timedelta(days=8).total_seconds())
    listed = SigningStore.list

    def closed(store: SigningStore, bucket: str, prefix: str = "", after: str = "") -> object:
        if bucket == "closed":
            raise StoreRefused("no longer ours")
        return listed(store, bucket, prefix, after)

    monkeypatch.setattr(SigningStore, "list", closed)
    with pytest.raises(StoreRefused):
        drive(world.kist.upkeep.erase_trash())
    assert keys(world, "theirs") == []
