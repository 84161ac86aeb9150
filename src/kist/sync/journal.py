"""What is written down of a job while it is at work: what was done, how far it is, and that its worker lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from kist.errors import CatalogueBusy, LeaseLost, Stopped
from kist.model.changes import Change
from kist.model.job import Job, JobState
from kist.ports.lease import Lease
from kist.ports.system import Clock
from kist.sync.speed import Speed
from kist.sync.together import together

BEAT = 0.5
GRACE = 1.0
"""Seconds that operations under way are given once the job is to stop. Then they are broken off."""


class Journal:
    """Everything that was done is written down with the next sign of life, in one commit that an older hold on the
    job cannot make. ``told`` hears of progress.
    """

    def __init__(self, lease: Lease, clock: Clock, told: Callable[[Job], None]) -> None:
        self._lease = lease
        self._clock = clock
        self._told = told
        self._done: list[Change] = []
        self._writing: set[asyncio.Task[None]] = set()
        self._speed = Speed()
        self.progress = lease.job.progress

    @property
    def stopping(self) -> bool:
        """Whether somebody wants the job to be cancelled."""
        return self._lease.asked_to_stop

    def check(self) -> None:
        """``Stopped`` when the job is to be cancelled."""
        if self.stopping:
            raise Stopped("the job was cancelled")

    def note(self, *changes: Change) -> None:
        """This was done; it is written down with the next sign of life."""
        self._done += changes

    def count(self, *, files: int = 0, deleted: int = 0, errors: int = 0, bytes: int = 0) -> None:
        """So much was done."""
        now = self.progress
        self.progress = msgspec.structs.replace(
            now,
            files=now.files + files,
            deleted=now.deleted + deleted,
            errors=now.errors + errors,
            bytes=now.bytes + bytes,
        )

    def at(self, key: str) -> None:
        """The job is at this key."""
        self.progress = msgspec.structs.replace(self.progress, current=key)

    async def write_down(self, *changes: Change) -> None:
        """Write down what was done, and ``changes`` with it.

        Whoever waits for it may be cancelled; the commit is not, so that it is always known what was written.
        """
        writing = asyncio.ensure_future(self._written(changes))
        self._writing.add(writing)
        try:
            await asyncio.shield(writing)
        finally:
            if writing.done():
                self._writing.discard(writing)
        self._told(self._lease.job)

    async def end(self, state: JobState, reason: str) -> None:
        """The job has come to this."""
        await self._settled()
        done, self._done = self._done, []
        self.progress = msgspec.structs.replace(self.progress, current="", rate=0.0)
        await self._lease.move(state, *done, reason=reason, progress=self.progress)
        self._told(self._lease.job)

    @asynccontextmanager
    async def alive(self, grace: float | None = None) -> AsyncIterator[None]:
        """Show signs of life while the block is at work; break it off once somebody wants it, after ``GRACE``
        seconds or those that are given."""
        async with together() as start:
            beating = start(self._beat_on(GRACE if grace is None else grace))
            try:
                yield
            finally:
                beating.cancel()
        await self._settled()

    async def _beat_on(self, grace: float) -> None:
        asked: float | None = None
        while True:
            await self._clock.pause(BEAT)
            try:
                await self.write_down()
            except CatalogueBusy:
                continue  # it goes with the next one; should that take too long, another worker takes over
            if self.stopping:
                asked = self._clock.ticks() if asked is None else asked
                if self._clock.ticks() - asked >= grace:
                    self.check()

    async def _written(self, changes: tuple[Change, ...]) -> None:
        done, self._done = self._done, []
        rate = self._speed.at(self._clock.ticks(), self.progress.bytes)
        self.progress = msgspec.structs.replace(self.progress, rate=rate)
        try:
            await self._lease.beat(*done, *changes, progress=self.progress)
        except BaseException:
            self._done = done + self._done
            raise

    async def _settled(self) -> None:
        """Wait for commits that nobody waits for any more."""
        writing, self._writing = self._writing, set()
        if not writing:
            return
        await asyncio.wait(writing)
        for error in [each.exception() for each in writing if not each.cancelled()]:
            if isinstance(error, LeaseLost):
                raise error
