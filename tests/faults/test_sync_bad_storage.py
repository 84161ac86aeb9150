"""Syncs over a storage that has a bad day: it fails now and then, stalls, cuts, flips bits, is gone for a while.

Each job succeeds or says which files failed, and what is there is right.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.acceptance.served import s3_settings
from tests.faults.rig.pauses import soon
from tests.faults.rig.proxy import Fault, Kind, Proxy, proxying
from tests.servers.server import S3Server
from tests.sync.place import ROOT, Scene, scene

from kist.model.job import Job, JobState, StepState, SyncOptions
from kist.sync import patience, transfer

MIB = 1 << 20
FILES = 120


class Storm(NamedTuple):
    """A place behind a proxy. ``calm`` is the same store without it."""

    here: Scene
    proxy: Proxy
    back: Path


@pytest.fixture
async def storm(tmp_path: Path, rgw: S3Server) -> AsyncIterator[Storm]:
    for name in ("folder", "back"):
        (tmp_path / name).mkdir()
    with proxying(rgw.endpoint, seed=5) as proxy:
        settings = s3_settings(tmp_path / "home", S3Server(**{**vars(rgw), "endpoint": proxy.url}))
        here = await scene(settings, tmp_path / "folder")
        yield Storm(here, proxy, tmp_path / "back")
        proxy.heal()
        await here.kist.close()


def fill(here: Scene, many: int = FILES) -> None:
    for number in range(many):
        here.write(f"{number % 5}/{number:03}", os.urandom(number * 50))


def files_in(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if ".kist" not in path.parts}


async def check(storm: Storm, job: Job, *, all_of_it: bool) -> None:
    """What has arrived is right, and what has not is said."""
    here = storm.here
    storm.proxy.heal()
    failed = {step.key: step.error for step in await here.steps(job) if step.state is StepState.FAILED}
    there, files = await here.objects(), here.files()
    assert {key: files[key] for key in there} == there
    assert set(files) - set(there) <= set(failed)
    if all_of_it:
        assert (job.state, failed) == (JobState.SUCCEEDED, {})
        assert there == files


@pytest.mark.parametrize("status", [500, 503])
async def test_every_fifth_request_fails(storm: Storm, status: int) -> None:
    """There, back, and taken back again."""
    here, proxy, back = storm
    fill(here)
    bad_day = Fault(Kind.STATUS, value=status, times=None, chance=0.2)
    proxy.add(bad_day)
    job = await here.sync()
    await check(storm, job, all_of_it=True)
    proxy.add(bad_day)
    assert (await here.sync(here.dest, str(back))).state is JobState.SUCCEEDED
    assert files_in(back) == here.files()
    before = here.files()
    for path in sorted(here.folder.rglob("*"))[:12]:
        if path.is_file():
            path.unlink()
    changed = await here.sync(delete=True)
    assert (changed.state, changed.progress.deleted > 0) == (JobState.SUCCEEDED, True)
    assert (await here.undo(changed)).state is JobState.SUCCEEDED
    proxy.heal()
    assert await here.objects() == before


ONE_IN_TEN = {
    "carried out, but said to have failed": Fault(Kind.STATUS_AFTER, "^PUT", 500, None, 0.1),
    "an error in a success": Fault(Kind.ERROR_IN_SUCCESS, "^PUT", 0, None, 0.1),
    "requests are cut": Fault(Kind.CUT_REQUEST, "^PUT", 100, None, 0.1),
    "answers are cut": Fault(Kind.CUT_ANSWER, "", 10, None, 0.1),
    "answers come without an ETag": Fault(Kind.NO_ETAG, "^PUT", 0, None, 0.1),
    "a bit is flipped on the way there": Fault(Kind.FLIP_REQUEST, "^PUT", 20, None, 0.1),
}


@pytest.mark.parametrize("fault", ONE_IN_TEN)
async def test_one_in_ten(storm: Storm, fault: str) -> None:
    fill(storm.here)
    storm.proxy.add(ONE_IN_TEN[fault])
    job = await storm.here.sync()
    assert storm.proxy.met, "nothing went wrong"
    await check(storm, job, all_of_it=True)


@pytest.mark.parametrize("large", [False, True])
async def test_a_bit_is_flipped_on_the_way_back(storm: Storm, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else would notice: the file has its size and its time."""
    here, proxy, back = storm
    monkeypatch.setattr(transfer, "LARGE", 10 * MIB)
    monkeypatch.setattr(transfer, "PART", 5 * MIB)
    fill(here, 40)
    if large:
        here.write("large", os.urandom(MIB) * 22)
    assert (await here.sync()).state is JobState.SUCCEEDED
    proxy.add(Fault(Kind.FLIP_ANSWER, "^GET .*/copy/[0-9]", 20, 10))
    if large:
        proxy.add(Fault(Kind.FLIP_ANSWER, "^GET .*/copy/large", MIB, 1))
    job = await here.sync(here.dest, str(back))
    assert len(proxy.met) > large
    proxy.heal()
    files, there = here.files(), files_in(back)
    assert {key: files[key] for key in there} == there
    failed = {step.key: step.error for step in await here.steps(job) if step.state is StepState.FAILED}
    assert set(failed) == set(files) - set(there)
    assert all("corrupt" in (error or "") for error in failed.values())
    assert not large or "large" in failed
    assert (await here.sync(here.dest, str(back))).state is JobState.SUCCEEDED
    assert files_in(back) == files


async def test_etags_that_are_no_md5(storm: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with encryption by managed keys: they look like one. The files come all the same."""
    from kist.sync.bucket import BucketTree

    here, _, back = storm
    fill(here, 30)
    await here.sync()
    real = BucketTree.items

    async def items(tree: BucketTree) -> AsyncIterator[object]:
        async for batch in real(tree):
            yield [item._replace(etag=item.etag[::-1]) for item in batch]  # type: ignore[union-attr,call-arg]

    async def open_any(tree: BucketTree, item: object, span: object = None) -> object:
        from kist.sync.bucket import ObjectReading

        return ObjectReading(await tree.store.open(tree.place(item.key), span))  # type: ignore[attr-defined,arg-type]

    monkeypatch.setattr(BucketTree, "items", items)
    monkeypatch.setattr(BucketTree, "open", open_any)
    job = await here.sync(here.dest, str(back))
    assert (job.state, files_in(back)) == (JobState.SUCCEEDED, here.files())


async def test_requests_that_are_never_answered(storm: Storm) -> None:
    fill(storm.here, 30)
    storm.proxy.add(Fault(Kind.BLACK_HOLE, "^PUT .*/copy/", times=2), Fault(Kind.HELD, "^PUT .*/copy/", times=2))
    job = await storm.here.sync()
    await check(storm, job, all_of_it=True)


async def test_a_storage_that_is_gone_for_a_while(storm: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job waits for it, and goes on: longer than the tries last that a store gets which serves others."""
    monkeypatch.setattr(patience, "_FIRST", 0.1)
    monkeypatch.setattr(patience, "_LONGEST", 0.5)
    here, proxy, _ = storm
    fill(here)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    lease = await here.work.claimed(job, "test")
    assert lease is not None
    far = asyncio.Event()
    proxy.add(Fault(Kind.DELAY, "^PUT", 0.1, None))
    working = asyncio.create_task(
        here.work.carry_out(lease, lambda job: far.set() if job.progress.files > 10 else None)
    )
    await far.wait()
    await asyncio.to_thread(proxy.down)
    await asyncio.sleep(4)
    assert not working.done()
    await asyncio.to_thread(proxy.up)
    await check(storm, await working, all_of_it=True)


SLOW = {
    "while listing": Fault(Kind.BLACK_HOLE, "^GET .*list-type", times=None),
    "small files that trickle": Fault(Kind.SLOW, "^PUT .*/copy/", 2048, None),
    "requests that are never answered": Fault(Kind.HELD, "^PUT .*/copy/", 0, None),
    "a large file": Fault(Kind.SLOW, "^PUT .*/copy/large", 64 * 1024, None),
    "a storage that is gone": Fault(Kind.STATUS, "", 503, None),
    "deletions": Fault(Kind.HELD, "^POST .*delete", 0, None),
    "bytes put aside": Fault(Kind.HELD, "^PUT .*kist/trash", 0, None),
}


@pytest.mark.parametrize("what", SLOW)
async def test_cancel_lands_within_two_seconds(storm: Storm, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the storage is, and nothing begins afterwards."""
    monkeypatch.setattr(transfer, "LARGE", 10 * MIB)
    monkeypatch.setattr(transfer, "PART", 5 * MIB)
    here = storm.here
    fill(here)
    await here.sync()
    for number in range(9):
        (here.folder / f"0/{number * 5:03}").unlink()
    if what not in ("deletions", "bytes put aside"):
        for number in range(20):
            here.write(f"new/{number}", os.urandom(20_000))
    if what == "a large file":
        here.write("large", os.urandom(MIB) * 20)
    await soon(2.0, lambda: cancelled(storm, what))


async def cancelled(storm: Storm, what: str) -> float:
    """Start the sync, cancel it in its middle, look at what is there, and take it back. The seconds that the cancel
    took."""
    here, proxy, _ = storm
    before = await here.objects()
    proxy.add(SLOW[what])
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest, SyncOptions(delete=True))
    lease = await here.work.claimed(job, "test")
    assert lease is not None
    working = asyncio.create_task(here.work.carry_out(lease))
    await asyncio.sleep(1.5)
    assert not working.done()
    asked = time.monotonic()
    await here.kist.jobs.cancel(ROOT, job.id)
    while not (await here.kist.jobs.get(ROOT, job.id)).state.ended:  # noqa: ASYNC110 - as a client would
        await asyncio.sleep(0.01)
    took = time.monotonic() - asked
    ended = await here.kist.jobs.get(ROOT, job.id)
    proxy.heal()
    assert ended.state is JobState.CANCELLED
    await asyncio.wait_for(working, 60)
    objects = await here.objects()
    await asyncio.sleep(1)
    assert await here.objects() == objects, "nothing began afterwards"
    if what != "deletions":
        assert {key: objects[key] for key in before} == before
    assert (await here.undo(ended)).state is JobState.SUCCEEDED
    now = await here.objects()
    assert {key: now.get(key) for key in before} == before
    return took
