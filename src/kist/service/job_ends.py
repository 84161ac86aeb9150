"""The two ends of a job: who may use them, also once it is there. A bucket may become another's meanwhile."""

from __future__ import annotations

from kist.errors import NotAllowed
from kist.model.actor import Actor, Role
from kist.model.ends import BucketEnd, End, FolderEnd, ForeignEnd, read_end
from kist.model.job import Job, JobState
from kist.service.buckets import check_whole
from kist.service.ports import Ports


def ends_of(job: Job) -> tuple[End, End]:
    """The source and the destination of ``job``."""
    return read_end(job.source), read_end(job.dest)


async def check_ends(ports: Ports, actor: Actor, ends: tuple[End, ...]) -> None:
    """``NotAllowed`` or ``BucketMissing`` unless ``actor`` may have a sync between ``ends``."""
    if not actor.is_admin and any(isinstance(end, FolderEnd) for end in ends):
        raise NotAllowed("only an admin may sync a folder of the server")
    if not actor.is_admin and any(isinstance(end, ForeignEnd) for end in ends):
        raise NotAllowed("only an admin may sync with another S3 server")
    for end in ends:
        if isinstance(end, BucketEnd):
            await check_whole(ports, actor, end.bucket)


async def check_still(ports: Ports, job: Job) -> None:
    """The same for who asked for ``job``, in the role that they had then. Asked by whoever lets it go on."""
    source, dest = ends_of(job)
    may_be_gone = job.options.remove_bucket and job.state is not JobState.QUEUED  # by this job itself
    actor = Actor(job.actor, Role.ADMIN if job.admin else Role.USER)
    await check_ends(ports, actor, (source,) if may_be_gone else (source, dest))
