"""What jobs put aside on another S3 server goes with the next sync once it is old: no chore has keys for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.errors import StoreRefused
from kist.model.changes import Add
from kist.model.content import Listed, PutRules
from kist.model.ends import read_end
from kist.model.job import JobState
from kist.model.place import Place
from kist.model.trash import Trash
from kist.stores.memory import MemoryStore
from kist.sync.bucket import BucketTree
from kist.testing.catalogue_samples import a_job
from kist.testing.clock import START, FakeClock, FakeIds

DAY = 86400.0
OLD, OTHER, MINE, NEW = (".kist/trash/one/a", ".kist/trash/two~/b", ".kist/trash/mine/c", ".kist/trash/one/new")


async def body() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.fixture
async def store() -> MemoryStore:
    clock = FakeClock()
    store = MemoryStore(clock, FakeIds())
    await store.make_bucket("bucket")
    for key in (OLD, OTHER, MINE, "readable", ".kist/objects/x"):
        await store.put(Place("bucket", key), body(), PutRules(size=1))
    clock.advance(2 * DAY)
    await store.put(Place("bucket", NEW), body(), PutRules(size=1))
    return store


async def keys(store: MemoryStore) -> set[str]:
    return {listed.key async for listed in store.list("bucket")}


async def all_but_mine(key: str) -> bool:
    return "/mine/" not in key


async def test_old_ones_of_other_jobs_go_and_nothing_else(store: MemoryStore) -> None:
    before = await keys(store)
    await BucketTree(store, "bucket", "copy/", root="s3+https://a").tidy(START.timestamp() + DAY, all_but_mine)
    assert before - await keys(store) == {OLD, OTHER}


async def test_what_another_kist_put_aside_stays(store: MemoryStore) -> None:
    tree, catalogue = BucketTree(store, "bucket", "copy/", root="s3+https://a"), MemoryCatalogue(FakeClock())
    ended = {"state": JobState.SUCCEEDED, "ended_at": START}
    ours, beside = (a_job(dest=f"s3+https://a/bucket/{each}", **ended) for each in ("copy", "more"))
    elsewhere, at_work = a_job(dest="s3+https://b/bucket/copy", **ended), a_job(dest="s3+https://a/bucket/third")
    await catalogue.commit(*map(Add, (ours, beside, elsewhere, at_work)))
    gone = {f".kist/trash/{ours.id}/a", f".kist/trash/{beside.id}~/b", f".kist/trash/{ours.id}.2/copy/a"}
    for key in (*gone, f".kist/trash/{elsewhere.id}/a", f".kist/trash/{at_work.id}/a"):
        await store.put(Place("bucket", key), body(), PutRules(size=1))
    before = await keys(store)
    await tree.tidy(START.timestamp() + 3 * DAY, Trash(catalogue.job, read_end(ours.dest)).is_ours)
    assert before - await keys(store) == gone


async def test_kists_own_store_is_left_to_its_chore(store: MemoryStore) -> None:
    before = await keys(store)
    await BucketTree(store, "bucket", "copy/").tidy(START.timestamp() + DAY, all_but_mine)
    assert await keys(store) == before


async def test_keys_that_may_erase_nothing_do_not_stop_the_sync(store: MemoryStore) -> None:
    class Guarded(MemoryStore):
        async def erase(self, *places: Place) -> None:
            raise StoreRefused("no")

        def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
            return store.list(bucket, prefix, after)

    guarded = Guarded(FakeClock(), FakeIds())
    await BucketTree(guarded, "bucket", root="s3+https://a").tidy(START.timestamp() + DAY, all_but_mine)
