"""Jobs: ask for a sync, watch it, stop it, say yes to it, take it back. Who carries them out is not known here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import msgspec

from kist.errors import Clash, InProgress, Invalid, JobMissing, WrongState
from kist.model.actor import Actor
from kist.model.changes import Add, Change, Discard, Swap
from kist.model.endpoint import EndpointKeys
from kist.model.ends import End, overlap, read_end
from kist.model.job import Job, JobState, Step, SyncOptions
from kist.model.rows import Idempotency, Latch
from kist.model.upload import Repeat
from kist.service.endpoints import Endpoints
from kist.service.files import TRIES
from kist.service.gate import check_signed_in
from kist.service.job_ends import check_ends, check_still, ends_of
from kist.service.ports import Ports
from kist.service.repeats import Repeats

MOST_AT_ONCE = 64
MOST_WAIT = 3600
"""Seconds."""
LOOK = 0.45
SILENT = 2 * LOOK
"""Seconds after which a watched job is told of although nothing has changed."""
LOOK_AT_END = 0.2
PLAIN = SyncOptions()
LATCH = "jobs"
"""Exchanged with each job that is added or resumed."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Job).decode


class Jobs:
    """What may be asked of jobs. A job belongs to who started it; admins may see and steer all."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._repeats = Repeats(ports)
        self._endpoints = Endpoints(ports)
        self.wake: Callable[[], None] = lambda: None
        """Told when there is work, by whoever works in this process."""

    async def start(
        self,
        actor: Actor,
        source: str,
        dest: str,
        options: SyncOptions = PLAIN,
        *,
        repeat: Repeat | None = None,
        keys: EndpointKeys | None = None,
    ) -> Job:
        """A new job that brings ``dest`` in step with ``source``.

        ``keys``: for the end that lies on another S3 server; kept sealed until the job has ended. ``repeat``: a request
        that is sent again gets the job that it started, as that was then. ``Invalid``, ``BadName``, ``NotSignedIn``,
        ``NotAllowed`` for a folder of the server or another S3 server unless an admin asks, ``EndpointRefused``,
        ``BucketMissing``, ``InProgress`` while another job is at work where this one would be.
        """
        check_signed_in(actor)
        ends = read_end(source), read_end(dest)
        _check_options(options)
        if overlap(*ends):
            raise Invalid("the source and the destination overlap: one would be copied into itself")
        await self._check_ends(actor, ends, keys)
        return await self._add(actor, ends, options, repeat, keys)

    async def undo(
        self, actor: Actor, job_id: str, *, repeat: Repeat | None = None, keys: EndpointKeys | None = None
    ) -> Job:
        """A new job that takes back what that one did. ``WrongState`` while it is at work, or where it did nothing.

        ``keys``: given again for another S3 server, as nothing keeps them once a job has ended.
        """
        undone = await self.get(actor, job_id)
        if not undone.state.ended:
            raise WrongState("this job has not ended: cancel it first", state=undone.state.value)
        if undone.options.dry_run:
            raise WrongState("this job changed nothing: it was a dry run", state=undone.state.value)
        ends = ends_of(undone)
        await self._check_ends(actor, ends, keys)
        return await self._add(actor, ends, SyncOptions(undo_of=undone.id), repeat, keys)

    async def get(self, actor: Actor, job_id: str) -> Job:
        """The job with this id or number. ``JobMissing``, just the same for another's."""
        check_signed_in(actor)
        if job_id.isascii() and job_id.isdigit():
            job = await self._ports.catalogue.job_numbered(int(job_id[:20]))
        else:
            job = await self._ports.catalogue.job(job_id)
        if not actor.is_admin and job.actor != actor.id:
            raise JobMissing("there is no such job")
        return job

    async def ended(self, actor: Actor, job_id: str, *, leave: Callable[[], bool] = lambda: False) -> Job:
        """The job once nobody works on it any more: it has ended, or waits for a yes. Or as it is once ``leave``."""
        while (job := await self.get(actor, job_id)).state.wants_worker and not leave():
            await self._ports.clock.pause(LOOK_AT_END)
        return job

    async def page(self, actor: Actor, limit: int, before: int | None = None) -> tuple[Job, ...]:
        """Jobs of ``actor``, for an admin all, with a number less than ``before``, newest first."""
        check_signed_in(actor)
        return await self._ports.catalogue.jobs(None if actor.is_admin else actor.id, limit, before)

    async def unended(self, actor: Actor) -> tuple[Job, ...]:
        """Those of them that have not ended, oldest first."""
        check_signed_in(actor)
        found = await self._ports.catalogue.unended_jobs()
        return tuple(job for job in found if actor.is_admin or job.actor == actor.id)

    async def steps(self, actor: Actor, job_id: str, limit: int, after: str = "") -> tuple[Step, ...]:
        """The plan of a job, and what became of each of its steps, by key."""
        return await self._ports.catalogue.steps((await self.get(actor, job_id)).id, limit, after)

    async def watch(self, actor: Actor, job_id: str) -> AsyncGenerator[Job, None]:
        """The job at once, after each change, and at least once a second, until it has ended."""
        clock = self._ports.clock
        before, told = None, 0.0
        while True:
            job = await self.get(actor, job_id)
            if job != before or clock.ticks() - told >= SILENT:
                before, told = job, clock.ticks()
                yield job
            if job.state.ended:
                return
            await clock.pause(LOOK)

    async def cancel(self, actor: Actor, job_id: str) -> Job:
        """End a job before its next operation. One that has ended stays as it is."""

        def cancelled(job: Job) -> Job | None:
            if job.state.ended or job.state is JobState.CANCELLING:
                return None
            if job.worker is None:
                return self._moved(job, JobState.CANCELLED, reason="cancelled", ended_at=self._ports.clock.now())
            return self._moved(job, JobState.CANCELLING)

        return await self._change(actor, job_id, cancelled)

    async def confirm(self, actor: Actor, job_id: str, plan: str | None = None) -> Job:
        """Say yes to the plan of a job that waits for it. ``plan``: its digest, to be sure that it is still that one.

        ``WrongState`` when it does not wait; ``Clash`` when the plan is another one by now; ``NotAllowed``,
        ``BucketMissing`` where one of its ends is no longer theirs whose job it is.
        """

        def confirmed(job: Job) -> Job:
            if job.state is not JobState.NEEDS_CONFIRMATION:
                raise WrongState("this job waits for no confirmation", state=job.state.value)
            if plan is not None and plan != job.plan:
                raise Clash("the plan of this job is another one by now: look at it again")
            return self._moved(job, JobState.QUEUED, confirmed=job.plan, reason="")

        before = await self.get(actor, job_id)
        confirmed(before)
        await self._check_again(actor, before)
        return await self._change(actor, job_id, confirmed)

    async def resume(self, actor: Actor, job_id: str, *, keys: EndpointKeys | None = None) -> Job:
        """Go on with a job that failed, was cancelled or left some files behind: what is done is not done again.

        ``keys``: as for an undo. ``WrongState``, ``InProgress``; and as for a start where one of its ends is no longer
        theirs whose job it is.
        """

        def resumed(job: Job) -> Job:
            ended = (JobState.FAILED, JobState.CANCELLED, JobState.SUCCEEDED_WITH_ERRORS)
            if job.state not in ended or job.options.undo_of is not None:
                raise WrongState("there is nothing to resume in this job", state=job.state.value)
            return self._moved(job, JobState.QUEUED, ended_at=None, reason="")

        for _ in range(TRIES):
            guard = await self._only_one()
            before = await self.get(actor, job_id)
            after = resumed(before)
            self._endpoints.check(actor, ends_of(before), keys)
            await self._check_again(actor, before)
            other = await self._in_the_way(ends_of(before), but=before.id)
            if other is not None:
                raise _at_work(other)
            try:
                await self._ports.catalogue.commit(guard, Swap(before, after), *self._keeping(after, keys))
            except Clash:
                continue
            self.wake()
            return after
        raise Clash("too many jobs are being started: try again")

    async def _add(
        self,
        actor: Actor,
        ends: tuple[End, End],
        options: SyncOptions,
        repeat: Repeat | None,
        keys: EndpointKeys | None,
    ) -> Job:
        """Commits only if no other job was added or resumed since it was looked for one."""
        record = self._repeats.record(actor, repeat)
        for _ in range(TRIES):
            guard = await self._only_one()
            newest = await self._ports.catalogue.jobs(None, 1)
            other = await self._in_the_way(ends)
            earlier = await self._repeats.answer(actor, repeat)  # after that: the other may be the one it started
            if earlier is not None:
                return _decode(earlier)
            if other is not None:
                raise _at_work(other)
            now = self._ports.clock.now()
            job = Job(
                id=self._ports.ids.uuid(),
                number=newest[0].number + 1 if newest else 1,
                actor=actor.id,
                admin=actor.is_admin,
                source=str(ends[0]),
                dest=str(ends[1]),
                options=options,
                state=JobState.QUEUED,
                created_at=now,
            )
            try:
                await self._ports.catalogue.commit(guard, Add(job), *self._keeping(job, keys), *_answers(record, job))
            except Clash:
                continue
            self.wake()
            return job
        raise Clash("too many jobs are being started: try again")

    async def _in_the_way(self, ends: tuple[End, End], but: str = "") -> Job | None:
        """A job that writes where one of ``ends`` is, or reads where this one would write."""
        for job in await self._ports.catalogue.unended_jobs():
            theirs = ends_of(job)
            if job.id != but and (
                overlap(ends[1], theirs[1]) or overlap(ends[1], theirs[0]) or overlap(ends[0], theirs[1])
            ):
                return job
        return None

    async def _check_ends(self, actor: Actor, ends: tuple[End, End], keys: EndpointKeys | None) -> None:
        self._endpoints.check(actor, ends, keys)
        await check_ends(self._ports, actor, ends)

    async def _check_again(self, actor: Actor, job: Job) -> None:
        """Raise unless ``actor``, and who asked for ``job``, may have it between its ends still."""
        if not actor.is_admin:
            await check_ends(self._ports, actor, ends_of(job))
        await check_still(self._ports, job)

    async def _only_one(self) -> Change:
        """To be taken before unended jobs are looked at, and committed with what is decided by that.

        It clashes when somebody has added or resumed a job meanwhile: of two that do not see each other only one is
        right.
        """
        before = await self._ports.catalogue.latch(LATCH)
        after = Latch(name=LATCH, stamp=self._ports.ids.token())
        return Add(after) if before is None else Swap(before, after)

    def _keeping(self, job: Job, keys: EndpointKeys | None) -> tuple[Change, ...]:
        """What becomes of the keys of a job with its next state."""
        if job.state.ended:
            return (Discard(job.id),)
        return () if keys is None else (Discard(job.id), Add(self._endpoints.sealed(job, keys)))

    async def _change(
        self, actor: Actor, job_id: str, change: Callable[[Job], Job | None], keys: EndpointKeys | None = None
    ) -> Job:
        for _ in range(TRIES):
            before = await self.get(actor, job_id)
            after = change(before)
            if after is None:
                return before
            try:
                await self._ports.catalogue.commit(Swap(before, after), *self._keeping(after, keys))
            except Clash:
                continue
            self.wake()
            return after
        raise Clash("this job is changing too fast: try again")

    def _moved(self, job: Job, state: JobState, **more: object) -> Job:
        moved: Job = msgspec.structs.replace(job, state=state, **more)
        return moved


def _at_work(job: Job) -> InProgress:
    return InProgress(f"job {job.number} is at work there: wait for its end, or cancel it", job=job.number)


def _answers(record: Idempotency | None, job: Job) -> tuple[Change, ...]:
    """Write down with a job that it answers the request, if that may come again."""
    return () if record is None else (Add(msgspec.structs.replace(record, answer=_encode(job))),)


def _check_options(options: SyncOptions) -> None:
    if options.max_delete < 0:
        raise Invalid("max_delete is a number from 0")
    if options.rate is not None and options.rate < 1:
        raise Invalid("rate is a number of bytes a second, from 1")
    if options.at_once is not None and not 1 <= options.at_once <= MOST_AT_ONCE:
        raise Invalid(f"at_once is a number from 1 to {MOST_AT_ONCE}")
    if not 0 <= options.wait <= MOST_WAIT:
        raise Invalid(f"wait is a number of seconds from 0 to {MOST_WAIT}")
    if options.undo_of is not None:
        raise Invalid("an undo is asked for by its own call")
