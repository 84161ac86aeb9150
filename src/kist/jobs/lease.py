"""``Lease`` over the catalogue: every write for a job goes through it, and an older hold writes nothing.

How long a lease lasts is measured by the catalogue's clock alone: those of the machines may be wrong.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec

from kist.errors import Clash, LeaseLost, Stopped
from kist.model.changes import Change, Discard, Swap
from kist.model.job import Job, JobState, Progress
from kist.ports.catalogue import Catalogue
from kist.ports.system import Clock

LEASE = timedelta(seconds=30)
LEFT = timedelta(seconds=2)
"""What remains of the lease of a worker that stops: requests that were cut off with it may still be carried out."""


class HeldLease:
    """``job`` is the row as this worker last knew it. ``asked_to_stop``: somebody wants the job to be cancelled."""

    def __init__(self, catalogue: Catalogue, clock: Clock, job: Job) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self.job = job

    @property
    def asked_to_stop(self) -> bool:
        return self.job.state is JobState.CANCELLING

    async def beat(self, *changes: Change, progress: Progress | None = None) -> None:
        """A sign of life, with what was done since the last, in one commit; then look what is wanted of the job.

        ``LeaseLost`` when another worker has the job now: nothing of ``changes`` is written.
        """
        async with self._one_at_a_time:
            until = await self._catalogue.now() + LEASE
            await self._write(changes, lease_until=until, progress=progress or self.job.progress)
            seen = await self._catalogue.job(self.job.id)
            if seen.fence != self.job.fence:
                raise LeaseLost("another worker has taken this job over")
            self.job = seen

    async def move(self, state: JobState, *changes: Change, **more: object) -> None:
        """The job goes on in another state; one that has ended is given back, and its sealed keys go."""
        if state.ended:
            changes += (Discard(self.job.id),)
            more |= {"ended_at": self._clock.now(), "worker": None, "lease_until": None}
        elif state is JobState.NEEDS_CONFIRMATION:
            more |= {"worker": None, "lease_until": None}
        async with self._one_at_a_time:
            await self._write(changes, state=state, **more)

    async def leave(self) -> None:
        """Nothing is done for the job here any more: another worker may have it in ``LEFT``."""
        if self.job.state.ended or self.job.worker is None:
            return
        async with self._one_at_a_time:
            await self._write((), lease_until=await self._catalogue.now() + LEFT)

    async def _write(self, changes: tuple[Change, ...], **wanted: object) -> None:
        after: Job = msgspec.structs.replace(self.job, **wanted)
        try:
            await self._catalogue.commit(Swap(self.job, after), *changes)
        except Clash as clash:
            seen = await self._catalogue.job(self.job.id)
            if seen.fence != self.job.fence:
                raise LeaseLost("another worker has taken this job over") from clash
            self.job = seen  # somebody has asked for something meanwhile: that is why it clashed
            state = wanted.get("state")
            if seen.state is JobState.CANCELLING and isinstance(state, JobState) and not state.ended:
                raise Stopped("the job was cancelled") from clash
            after = msgspec.structs.replace(seen, **wanted)
            await self._catalogue.commit(Swap(seen, after), *changes)
        self.job = after


async def claim(catalogue: Catalogue, clock: Clock, worker: str, job: Job) -> HeldLease | None:
    """Take a job whose last worker, if it had one, shows no sign of life any more. None when another was quicker.

    A lease that ends later than any can was given before the clock was set back: it must not keep a dead worker's job.
    """
    if not job.state.wants_worker:
        return None
    now = await catalogue.now()
    held = job.worker is not None and job.lease_until is not None and now < job.lease_until <= now + 2 * LEASE
    if held:
        return None
    claimed: Job = msgspec.structs.replace(
        job,
        worker=worker,
        fence=job.fence + 1,
        lease_until=now + LEASE,
        started_at=job.started_at or clock.now(),
        resumed=job.resumed or job.state is JobState.RUNNING,
    )
    try:
        await catalogue.commit(Swap(job, claimed))
    except Clash:
        return None
    return HeldLease(catalogue, clock, claimed)
