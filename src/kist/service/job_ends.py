"""The two ends of a job once it is there: a bucket may become another's between what was asked and what is done."""

from __future__ import annotations

from kist.errors import BucketMissing
from kist.model.actor import Actor, Role
from kist.model.bucket import BucketState
from kist.model.changes import Add, Change, Swap
from kist.model.ends import BucketEnd, End, read_end
from kist.model.job import Entry, Job, JobState
from kist.ports.catalogue import Catalogue
from kist.service.buckets import check_usable
from kist.service.ports import Ports

LOOKED = "\njobs"
"""A name that no destination has: the row of the manifest that is exchanged with each job that is added or resumed."""


def ends_of(job: Job) -> tuple[End, End]:
    """The source and the destination of ``job``."""
    return read_end(job.source), read_end(job.dest)


async def check_still(ports: Ports, job: Job) -> None:
    """``BucketMissing`` unless who asked for ``job`` may use its buckets still. Asked by whoever lets it go on.

    Jobs do not say whether an admin asked. An end that is for admins alone tells; else a bucket of somebody else's is
    taken for another one than was meant if it was made after the job.
    """
    ends = ends_of(job)
    admins = any(not isinstance(end, BucketEnd) or end.bucket == ports.bucket for end in ends)
    for end in ends:
        if not isinstance(end, BucketEnd):
            continue
        if end is ends[1] and job.options.remove_bucket and job.state is not JobState.QUEUED:
            continue  # it may have gone by this job
        if end.bucket != ports.bucket:
            await _check_same(ports, job, end.bucket, admins=admins)


async def _check_same(ports: Ports, job: Job, name: str, *, admins: bool) -> None:
    try:
        bucket = await ports.catalogue.bucket(name)
    except BucketMissing:
        if not admins:  # it is one that nobody made here, which only an admin may use, or it is gone
            await check_usable(ports, Actor(job.actor, Role.ADMIN), name)
        return
    another = not admins and bucket.owner != job.actor and bucket.created_at > job.created_at
    if another or bucket.state is not BucketState.READY:
        raise BucketMissing(f"the bucket {name} is no longer the one that this job was asked for")


async def alone(catalogue: Catalogue, token: str) -> Change:
    """To be taken before unended jobs are looked at, and committed first with what is decided by that.

    It clashes when somebody has added or resumed a job meanwhile: of two that do not see each other only one is right.
    """
    before = await catalogue.entries(LOOKED, 1)
    after = Entry(dest=LOOKED, key="/", size=0, modified=0, etag=token, job="")
    return Swap(before[0], after) if before else Add(after)
