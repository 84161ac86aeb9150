"""Composition of work: what a worker of this process needs to carry out the jobs of a Kist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kist.jobs.lease import claim
from kist.jobs.worker import Worker
from kist.model.ends import End, FolderEnd, read_end
from kist.model.job import Job
from kist.ports.lease import Lease
from kist.ports.wiring import Aside
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.sync.bucket import BucketTree
from kist.sync.folder import FolderTree
from kist.sync.running import Runner, Sides


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
        job = lease.job
        sides = Sides(self._tree(read_end(job.source)), self._tree(read_end(job.dest)))
        return await Runner(self._ports.catalogue, self._ports.clock, lease, sides, told).run()

    async def claimed(self, job: Job, worker: str) -> Lease | None:
        """A lease on ``job`` for ``worker``; None when another has it."""
        return await claim(self._ports.catalogue, self._ports.clock, worker, job)

    def _tree(self, end: End) -> FolderTree | BucketTree:
        if isinstance(end, FolderEnd):
            return FolderTree(Path(end.path), self._aside, self._ports.ids)
        return BucketTree(self._ports.store, end.bucket, end.prefix, md5_etags=self._ports.verify_reads)
