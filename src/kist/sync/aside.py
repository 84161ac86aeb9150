"""Who has put aside what lies in the trash of a bucket on another server, which several Kists may use."""

from __future__ import annotations

from kist.errors import JobMissing
from kist.model.ends import ForeignEnd, read_end
from kist.ports.catalogue import Catalogue
from kist.sync.bucket import BucketTree
from kist.sync.trash import job_of


class Aside:
    """Tells by ``catalogue`` what its jobs put aside in the bucket of ``dest``. Keys come in order, job by job."""

    def __init__(self, catalogue: Catalogue, dest: BucketTree) -> None:
        self._catalogue = catalogue
        self._where = dest.root, dest.bucket
        self._job, self._is_ours = "", False

    async def is_ours(self, key: str) -> bool:
        """Whether an ended job with that bucket as its destination has put aside what lies at ``key``."""
        job = job_of(key)
        if job != self._job:
            self._job, self._is_ours = job, await self._was_here(job)
        return self._is_ours

    async def _was_here(self, job_id: str) -> bool:
        try:
            job = await self._catalogue.job(job_id)
        except JobMissing:
            return False
        end = read_end(job.dest)
        return job.state.ended and isinstance(end, ForeignEnd) and (end.root, end.bucket) == self._where
