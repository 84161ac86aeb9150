"""Large buckets are listed in several ranges at a time: as if they were listed from beginning to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.sync.harm import filled, lists_through, remove
from tests.sync.place import Scene

from kist.errors import StoreRefused
from kist.model.content import Listed
from kist.model.job import JobState
from kist.model.place import Place
from kist.sync import bucket, planning, ranges
from kist.sync.bucket import BucketTree
from kist.sync.ranges import listed

PREFIX = "copy/"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket of 30 is large, and every store is far away."""
    monkeypatch.setattr(bucket, "BATCH", 3)
    monkeypatch.setattr(ranges, "FEW", 2)
    monkeypatch.setattr(planning, "RANGE", 4)
    monkeypatch.setattr(BucketTree, "remote", True)


async def keys_of(here: Scene, *marks: str) -> list[str]:
    async def known(after: str) -> Sequence[str]:
        return [mark for mark in marks if mark > after]

    tree = BucketTree(here.ports.store, here.bucket, PREFIX)
    return [item.key async for batch in listed(tree, known) for item in batch]


@pytest.mark.parametrize(
    "marks",
    [
        (),
        ("10", "20", "sub/00"),
        ("05x", "05y", "05z", "06"),
        ("00", "0", "zzz"),
        ("zzz",),
        tuple(f"{number:02}" for number in range(1, 30)),
        ("é", "\U0001f600"),
    ],
)
async def test_whatever_the_marks_the_listing_is_the_same(here: Scene, marks: tuple[str, ...]) -> None:
    await filled(here)
    for key in ("é", "\uffee", "\U0001f600", "sub/é"):
        await here.put(f"copy/{key}")
    await here.put("copz")
    await here.put(".kist/objects/x")
    assert await keys_of(here, *marks) == await here.keys()


async def test_a_sync_in_ranges(here: Scene) -> None:
    before = await filled(here)
    many = len(here.files())
    again = await here.sync(delete=True)
    assert (again.progress.unchanged, again.progress.files, again.progress.deleted) == (many, 0, 0)
    for number in range(40):
        await here.put(f"copy/2{number:02}", b"not of a sync")
    await here.ports.store.erase(*(Place(here.bucket, f"copy/{number:02}") for number in (10, 11, 13, 14, 16)))
    remove(here, "01", "sub/27")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.files, job.progress.deleted) == (JobState.SUCCEEDED, 5, 2)
    now = await here.objects()
    assert {key: data for key, data in now.items() if not key.startswith("2") or len(key) == 2} == {
        key: data for key, data in before.items() if key not in ("01", "sub/27")
    }


@pytest.mark.parametrize("broken", [2, 4, 7])
async def test_a_range_that_cannot_be_listed_to_its_end_deletes_nothing(here: Scene, broken: int) -> None:
    before = await filled(here)
    remove(here, "01", "29", "sub/27")
    count = 0

    async def breaks(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
        nonlocal count
        count += prefix == PREFIX
        breaks_off = count == broken
        shown = 0
        async for each in listing:
            shown += 1
            if breaks_off and shown == 2:
                raise StoreRefused("no more of it")
            yield each

    job = await lists_through(here, breaks).sync(delete=True)
    assert (job.state, "no more of it" in job.reason, job.progress.deleted) == (JobState.FAILED, True, 0)
    assert await here.objects() == before


async def test_a_range_that_goes_back_deletes_nothing(here: Scene) -> None:
    before = await filled(here)
    remove(here, "01", "02")
    count = 0

    async def turned(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
        nonlocal count
        count += prefix == PREFIX
        goes_back = count == 4
        found = [each async for each in listing]
        for each in [found[1], found[0], *found[2:]] if goes_back else found:
            yield each

    job = await lists_through(here, turned).sync(delete=True)
    assert (job.state, "out of order" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_a_small_bucket_is_listed_once(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "BATCH", 16)
    await filled(here)
    begun, asked = [], []

    async def seen(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
        begun.append(prefix)
        async for each in listing:
            yield each

    async def marks(after: str) -> Sequence[str]:
        asked.append(after)
        return ()

    tree = BucketTree(lists_through(here, seen).work._ports.store, here.bucket, PREFIX)
    found = [item.key async for batch in listed(tree, marks) for item in batch]
    assert (found, begun, len(asked)) == (await here.keys(), [PREFIX], 1)


async def test_no_more_is_held_than_a_few_ranges(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far it is behind, whoever takes the batches: the listings wait."""
    monkeypatch.setattr(ranges, "AT_ONCE", 2)
    monkeypatch.setattr(ranges, "HELD", 2)
    for number in range(200):
        await here.put(f"copy/{number:03}")
    shown = 0

    async def counted(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
        nonlocal shown
        async for each in listing:
            shown += 1
            yield each

    async def known(after: str) -> Sequence[str]:
        return [f"{number:03}" for number in range(100, 200, 10)]

    tree = BucketTree(lists_through(here, counted).work._ports.store, here.bucket, PREFIX)
    taken, most = 0, 0
    async for batch in listed(tree, known):
        taken += len(batch)
        await asyncio.sleep(0.002)
        most = max(most, shown - taken)
    assert taken == shown == 200, "nothing is listed twice where the marks still are"
    assert most <= 2 * (2 + 2) * 3, "two ranges, of each two batches that wait, one that is given and one begun"


async def test_a_listing_that_is_given_up_leaves_nothing_behind(here: Scene) -> None:
    await filled(here)
    before = len(asyncio.all_tasks())

    async def known(after: str) -> Sequence[str]:
        return ["10", "20"]

    batches = listed(BucketTree(here.ports.store, here.bucket, PREFIX), known)
    for _ in range(3):
        await anext(batches)
    await batches.aclose()
    assert len(asyncio.all_tasks()) == before


async def test_a_source_in_ranges(here: Scene, tmp_path: Path) -> None:
    """What the other side was given by an earlier sync tells where to divide it."""
    await filled(here)
    back = tmp_path / "back"
    back.mkdir()
    await here.sync(here.dest, str(back))
    begun = 0

    async def seen(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
        nonlocal begun
        begun += prefix == PREFIX
        async for each in listing:
            yield each

    await here.put("copy/29x", b"new")
    job = await lists_through(here, seen).sync(here.dest, str(back))
    assert (job.progress.files, job.progress.unchanged, begun > 5) == (1, len(here.files()) + 1, True)
