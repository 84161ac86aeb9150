"""What was done is written down, whenever the beat comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import disk_settings
from tests.sync.place import ROOT, Scene, scene

from kist.jobs.lease import HeldLease
from kist.model.job import Job, JobState, StepState
from kist.stores.disk import DiskStore
from kist.sync import journal


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Scene]:
    made = await scene(disk_settings(tmp_path / "home"), tmp_path / "folder")
    yield made
    await made.kist.close()


@pytest.fixture
def always_beating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats come so often, and take so long, that one is under way whatever happens."""
    beat = HeldLease.beat

    async def slow(lease: HeldLease, *changes: Any, **more: Any) -> None:
        await asyncio.sleep(0.02)
        await beat(lease, *changes, **more)

    monkeypatch.setattr(HeldLease, "beat", slow)
    monkeypatch.setattr(journal, "BEAT", 0.001)
    monkeypatch.setattr(journal, "GRACE", 60.0)  # on a busy machine a put may take its time


@pytest.mark.usefixtures("always_beating")
async def test_a_beat_under_way_when_the_last_file_is_sent_loses_nothing(here: Scene) -> None:
    for number in range(40):
        here.write(f"{number}")
    for count in range(10):
        job = await here.sync(dest=f"{here.bucket}/{count}")
        assert job.state is JobState.SUCCEEDED
        assert {step.state for step in await here.steps(job)} == {StepState.DONE}


class Gate:
    """Lets files through at all times but these: from when the job is far until it is asked to stop. So it never ends
    before that."""

    def __init__(self) -> None:
        self.far, self.asked = asyncio.Event(), asyncio.Event()

    def told(self, job: Job) -> None:
        if job.progress.files > 20:
            self.far.set()

    async def passed(self) -> None:
        await asyncio.sleep(0.05)
        if self.far.is_set():
            await self.asked.wait()


@pytest.mark.usefixtures("always_beating")
async def test_a_beat_under_way_when_the_job_is_cancelled_loses_nothing(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, gate = DiskStore.put, Gate()

    async def slow(store: DiskStore, *what: Any, **more: Any) -> Any:
        await gate.passed()
        return await put(store, *what, **more)

    monkeypatch.setattr(DiskStore, "put", slow)
    for number in range(300):
        here.write(f"{number}")
    for count in range(5):
        job = await here.kist.jobs.start(ROOT, str(here.folder), f"{here.bucket}/{count}")
        lease = await here.work.claimed(job, "test")
        assert lease is not None
        gate = Gate()
        running_job = asyncio.create_task(here.work.carry_out(lease, gate.told))
        await gate.far.wait()
        await here.kist.jobs.cancel(ROOT, job.id)
        gate.asked.set()
        assert (await running_job).state is JobState.CANCELLED
        sent = {key async for key in keys(here, f"{count}/")}
        done = {step.key for step in await here.steps(job) if step.state is StepState.DONE}
        assert done == sent


async def keys(here: Scene, prefix: str) -> AsyncIterator[str]:
    async for listed in here.ports.store.list(here.bucket, prefix):
        yield listed.key.removeprefix(prefix)


async def test_how_fast_bytes_pass_is_told(here: Scene) -> None:
    for number in range(20):
        here.write(f"{number}", b"x" * 100_000)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest)
    lease = await here.work.claimed(job, "test")
    assert lease is not None
    told: list[float] = []
    ended = await here.work.carry_out(lease, lambda job: told.append(job.progress.rate))
    assert max(told) > 0
    assert ended.progress.rate == 0, "one that has ended passes no bytes"
