"""Composition of work: what a process needs to carry out the jobs of a Kist and to run its chores."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path

from kist.chores.chore import Chore
from kist.chores.schedule import CHORES, run_schedule
from kist.errors import AlreadyThere, BucketMissing, CatalogueBusy, KistError, StoreUnavailable
from kist.jobs.lease import claim
from kist.jobs.worker import Worker
from kist.model.actor import Actor, Role
from kist.model.ends import BucketEnd, End, FolderEnd, ForeignEnd, read_end
from kist.model.job import Job, JobState
from kist.ports.lease import Lease
from kist.ports.store import HoldsBuckets
from kist.ports.wiring import Aside
from kist.service.buckets import Buckets
from kist.service.endpoints import Endpoints
from kist.service.job_ends import check_still
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.service.sealing import Sealer
from kist.service.upkeep import Upkeep
from kist.service.ways import Ways
from kist.sync.bucket import BucketTree
from kist.sync.folder import FolderTree
from kist.sync.running import Runner
from kist.sync.sides import Sides
from kist.system import SystemClock

log = logging.getLogger("kist.server")

REACHED_WITHIN = 20.0
"""Seconds, fewer than a lease has: until another server is reached there is no sign of life."""


class Work:
    """Carries out jobs over ``ports``. ``aside`` runs what blocks in threads."""

    def __init__(self, ports: Ports, aside: Aside) -> None:
        self._ports = ports
        self._aside = aside

    def worker(self, kist: Kist) -> Worker:
        """A worker that is woken by jobs of ``kist`` that are started in this process."""
        ports = self._ports
        worker = Worker(ports.catalogue, ports.clock, ports.ids, self.carry_out)
        kist.jobs.wake = worker.wake
        return worker

    async def carry_out(self, lease: Lease, told: Callable[[Job], None] | None = None) -> Job:
        """Carry out one job, whose lease is held."""
        async with AsyncExitStack() as opened:
            try:
                async with asyncio.timeout(REACHED_WITHIN):
                    await check_still(self._ports, lease.job)
                    sides = await self._sides(lease.job, opened)
            except CatalogueBusy:
                raise
            except (KistError, TimeoutError) as error:
                return await _unreached(lease, error)
            trash_life = self._ports.limits.trash_life
            return await Runner(self._ports.catalogue, self._ports.clock, lease, sides, trash_life, told).run()

    async def claimed(self, job: Job, worker: str) -> Lease | None:
        """A lease on ``job`` for ``worker``; None when another has it."""
        return await claim(self._ports.catalogue, self._ports.clock, worker, job)

    async def _sides(self, job: Job, opened: AsyncExitStack) -> Sides:
        dest = read_end(job.dest)
        whole = isinstance(dest, BucketEnd) and not dest.prefix and job.options.remove_bucket
        removal = BucketRemoval(self._ports, job, str(dest)) if whole else None
        return Sides(await self._tree(job, read_end(job.source), opened), await self._tree(job, dest, opened), removal)

    async def _tree(self, job: Job, end: End, opened: AsyncExitStack) -> FolderTree | BucketTree:
        if isinstance(end, ForeignEnd):
            return await self._foreign(job, end, opened)
        if isinstance(end, FolderEnd):
            above = job.options.beneath if str(end) == job.source else None
            return FolderTree(
                Path(end.path), self._aside, self._ports.ids, beneath=None if above is None else Path(above)
            )
        return BucketTree(self._ports.store, end.bucket, end.prefix, md5_etags=self._ports.verify_reads)

    async def _foreign(self, job: Job, end: ForeignEnd, opened: AsyncExitStack) -> BucketTree:
        """A bucket of another server. A job that begins looks first whether it is let in, so as not to wait long for
        what never comes."""
        store = await Endpoints(self._ports).reach(job, end)
        opened.push_async_callback(store.close)
        if job.state is JobState.QUEUED:
            if job.options.make_bucket and str(end) == job.dest and isinstance(store, HoldsBuckets):
                with suppress(AlreadyThere):
                    await store.make_bucket(end.bucket)
            async with aclosing(store.list(end.bucket, end.prefix)) as first:  # type: ignore[type-var]
                async for _ in first:
                    break
        return BucketTree(store, end.bucket, end.prefix, md5_etags=True, root=end.root)


async def _unreached(lease: Lease, error: KistError | TimeoutError) -> Job:
    """End a job that has not come to where it goes."""
    if lease.asked_to_stop:
        await lease.move(JobState.CANCELLED, reason="cancelled")
        return lease.job
    why = error if isinstance(error, KistError) else StoreUnavailable("the other S3 server does not answer in time")
    await lease.move(JobState.FAILED, reason=f"{why.code}: {why.message}")
    return lease.job


class BucketRemoval:
    """``Removes`` for the bucket that ``job`` fills."""

    def __init__(self, ports: Ports, job: Job, bucket: str) -> None:
        self._ports = ports
        self._job = job.id
        self._actor = Actor(job.actor, Role.ADMIN)
        self._bucket = bucket
        self._upkeep = Upkeep(ports, Sealer(ports))
        self._buckets = Buckets(ports, Ways(ports), self._upkeep)

    async def check(self) -> None:
        await self._buckets.check_unused(self._actor, self._bucket)

    async def drop(self) -> None:
        with suppress(BucketMissing):  # a try that was cut off has done it
            await self.check()
            await self._upkeep.erase_in(self._bucket)
            await self._upkeep.erase_trash_in(self._bucket)
        with suppress(BucketMissing):
            await self._buckets.remove(self._actor, self._bucket, by=self._job)


@asynccontextmanager
async def at_work(kist: Kist, work: Work, chores: tuple[Chore, ...] = CHORES) -> AsyncIterator[None]:
    """Carry out the jobs of ``kist`` and run its ``chores`` beside the block. Jobs under way are left to others."""
    beside = [
        asyncio.create_task(work.worker(kist).run(), name="jobs"),
        asyncio.create_task(run_schedule(kist, SystemClock(), chores), name="chores"),
    ]
    for task in beside:
        task.add_done_callback(_tell_end)
    try:
        yield
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def work_until(stopped: asyncio.Event, kist: Kist, work: Work) -> None:
    """Carry out the jobs of ``kist`` and run its chores until ``stopped``. What ends one of the two is raised."""
    working = [
        asyncio.create_task(work.worker(kist).run()),
        asyncio.create_task(run_schedule(kist, SystemClock())),
    ]
    waiting = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([*working, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (*working, waiting):
        task.cancel()
    await asyncio.gather(*working, waiting, return_exceptions=True)
    for task in working:
        if task in done:
            task.result()


def _tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("the %s have stopped: restart the server", task.get_name(), exc_info=task.exception())
