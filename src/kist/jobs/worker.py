"""Carries out jobs, a few at a time, for as long as the host lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kist.errors import KistError, LeaseLost
from kist.jobs.lease import HeldLease, claim
from kist.model.job import Job, JobState
from kist.ports.catalogue import Catalogue
from kist.ports.lease import Lease
from kist.ports.system import Clock, Ids

POLL = 0.5
AT_ONCE = 2

CarryOut = Callable[[Lease], Awaitable[Job]]

log = logging.getLogger("kist.jobs")


class Worker:
    """Takes jobs that nobody works on, the oldest first. Safe beside any number of others on the same catalogue."""

    def __init__(self, catalogue: Catalogue, clock: Clock, ids: Ids, carry_out: CarryOut) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._carry_out = carry_out
        self._name = ids.token()
        self._woken = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """There may be work: do not wait for the next look."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Jobs under way are then left to others, who have them within seconds."""
        try:
            while True:
                await self._look()
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):  # wait_for of 3.11 may lose a cancel that comes with a wake
                        await self._woken.wait()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _look(self) -> None:
        try:
            for job in await self._catalogue.unended_jobs():
                if len(self._running) >= AT_ONCE:
                    return
                if job.id not in self._running:
                    lease = await claim(self._catalogue, self._clock, self._name, job)
                    if lease is not None:
                        self._begin(lease)
        except KistError as error:
            log.warning("jobs cannot be looked for: %s", error.message)

    def _begin(self, lease: HeldLease) -> None:
        task = asyncio.create_task(self._work(lease))
        self._running[lease.job.id] = task
        task.add_done_callback(lambda _: self._ended(lease.job.id))

    def _ended(self, job_id: str) -> None:
        self._running.pop(job_id, None)
        self.wake()

    async def _work(self, lease: HeldLease) -> None:
        number = lease.job.number
        try:
            job = await self._carry_out(lease)
            log.info("job %d: %s %s", number, job.state.value, job.reason)
        except asyncio.CancelledError:
            with suppress(KistError):
                await lease.leave()
            raise
        except LeaseLost:
            log.warning("job %d: another worker has taken it over", number)
        except KistError as error:
            log.warning("job %d: left for later: %s", number, error.message)
        except Exception:
            # Tried again, it would most likely fail again, and so on for ever.
            log.exception("job %d failed", number)
            with suppress(KistError):
                await lease.move(JobState.FAILED, reason="an error that nobody foresaw: the log of the server has it")
