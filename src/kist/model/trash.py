"""Where a job puts aside what it replaces or deletes, so that it can be brought back; and whose it is later."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from kist.errors import JobMissing
from kist.model.ends import End, read_end, share_trash
from kist.model.job import Job
from kist.model.place import TRASH

_LONGEST = 900
"""Bytes of a key that leave room for what stands before it in the trash."""


def trash_of(job: str, key: str) -> str:
    """The key at which ``job`` keeps what lay at ``key``."""
    if len(key.encode()) > _LONGEST:
        return f"{TRASH}{job}~/{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{TRASH}{job}/{key}"


def job_of(key: str) -> str:
    """The job that keeps something at ``key`` of the trash."""
    return key.removeprefix(TRASH).partition("/")[0].partition("~")[0].partition(".")[0]


class Trash:
    """Tells in the trash of ``end``, where others may have one too, what jobs that ``find`` finds have put there.

    Asked in the order of keys it looks for each job once.
    """

    def __init__(self, find: Callable[[str], Awaitable[Job]], end: End) -> None:
        self._find = find
        self._end = end
        self._job, self._is_ours = "", False

    async def is_ours(self, key: str) -> bool:
        """Whether an ended job with that destination has put aside what lies at ``key``."""
        job = job_of(key)
        if job != self._job:
            self._job, self._is_ours = job, await self._was_here(job)
        return self._is_ours

    async def _was_here(self, job_id: str) -> bool:
        try:
            job = await self._find(job_id)
        except JobMissing:
            return False
        return job.state.ended and share_trash(read_end(job.dest), self._end)
