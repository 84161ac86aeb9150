"""The worker that carries out jobs stops when it is told, whatever comes at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.jobs.worker import Worker
from kist.model.job import Job
from kist.ports.lease import Lease
from kist.system import SystemClock, SystemIds


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
    done, _ = await asyncio.wait([running], timeout=2)
    assert done, "it goes on"
    assert running.cancelled()
