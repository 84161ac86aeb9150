"""The hold of one worker on one job."""

from __future__ import annotations

from typing import Protocol

from kist.model.changes import Change
from kist.model.job import Job, JobState, Progress


class Lease(Protocol):
    """Every write for a job goes through the lease, so that who has lost it writes nothing. ``LeaseLost`` then."""

    @property
    def job(self) -> Job:
        """The job as it was last seen."""

    @property
    def asked_to_stop(self) -> bool:
        """Whether somebody wants the job to be cancelled."""

    async def beat(self, *changes: Change, progress: Progress | None = None) -> None:
        """Write what was done since the last beat with a sign of life, in one commit; then look what is wanted."""

    async def move(self, state: JobState, *changes: Change, **more: object) -> None:
        """The job goes on in another state, with other fields changed as ``more`` says. ``Stopped`` when it is to be
        cancelled instead."""
