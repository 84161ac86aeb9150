"""The worker that carries out jobs stops when it is told, whatever comes at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.jobs.lease import LEFT, claim
from kist.jobs.worker import Worker
from kist.model.changes import Add
from kist.model.job import Job, JobState
from kist.ports.lease import Lease
from kist.system import SystemClock, SystemIds
from kist.testing.catalogue_samples import a_job
from kist.testing.clock import FakeClock


async def never(lease: Lease) -> Job:
    raise AssertionError("there is no job")


@pytest.mark.parametrize("steps", range(6))
async def test_a_worker_that_is_woken_and_told_to_stop_stops(steps: int) -> None:
    worker = Worker(MemoryCatalogue(SystemClock()), SystemClock(), SystemIds(), never)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.01)
    worker.wake()
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=30)
    assert done, "it goes on"
    assert running.cancelled()


async def test_a_worker_that_stops_leaves_its_job_to_others_within_seconds() -> None:
    """Not at once: what was asked of the store and cut off may still come to pass."""
    clock, begun = FakeClock(), asyncio.Event()
    catalogue = MemoryCatalogue(clock)
    job = a_job(state=JobState.RUNNING)
    await catalogue.commit(Add(job))

    async def carry_out(lease: Lease) -> Job:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("it is cut off")

    running = asyncio.create_task(Worker(catalogue, clock, SystemIds(), carry_out).run())
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    left = await catalogue.job(job.id)
    assert await claim(catalogue, clock, "another", left) is None
    clock.advance(LEFT.total_seconds())
    assert await claim(catalogue, clock, "another", left) is not None


async def test_a_worker_that_stops_when_its_job_has_ended_changes_nothing() -> None:
    catalogue, begun, ended = MemoryCatalogue(FakeClock()), asyncio.Event(), a_job(state=JobState.RUNNING)
    await catalogue.commit(Add(ended))

    async def carry_out(lease: Lease) -> Job:
        await lease.move(JobState.SUCCEEDED)
        begun.set()
        await asyncio.Event().wait()
        return lease.job

    running = asyncio.create_task(Worker(catalogue, SystemClock(), SystemIds(), carry_out).run())
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    job = await catalogue.job(ended.id)
    assert (job.state, job.lease_until) == (JobState.SUCCEEDED, None)
