"""Carry out one job: plan, wait for a yes where one is due, send, and delete last.

Everything that was done is written down with the next sign of life, at most half a second later, in one commit that
an older hold on the job cannot make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kist.errors import Invalid, KistError, LeaseLost, Stopped, StoreUnavailable, WrongState
from kist.model.changes import Change, Keep, Swap
from kist.model.job import Act, Entry, Job, JobState, Progress, Step, StepState
from kist.ports.catalogue import Catalogue
from kist.ports.lease import Lease
from kist.ports.system import Clock
from kist.ports.tree import Item, Tree
from kist.sync.bucket import BucketTree
from kist.sync.folder import FolderTree
from kist.sync.pace import Pace
from kist.sync.planning import PAGE, Planner, memory_of
from kist.sync.together import together
from kist.sync.transfer import READ_TOGETHER, Carrier, Read, batched, same_bytes
from kist.sync.trash import trash_of
from kist.sync.undoing import Undoer

BEAT = 0.5
DELETED_TOGETHER = 100
LOOKED_AT = 1000
"""After a break, of how many files it is asked whether they were sent already."""


@dataclass(frozen=True)
class Sides:
    """What a job is between."""

    source: Tree
    dest: FolderTree | BucketTree


class Runner:
    """One job under way. ``told`` hears of progress."""

    def __init__(
        self, catalogue: Catalogue, clock: Clock, lease: Lease, sides: Sides, told: Callable[[Job], None] | None = None
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._lease = lease
        self._sides = sides
        self._told = told or (lambda job: None)
        options = lease.job.options
        self._pace = Pace(clock, at_once=1 if options.wait else options.at_once, rate=options.rate)
        self._carrier = Carrier(sides.source, sides.dest, self._pace, self._passed, self._stopping)
        self._done: list[Change] = []
        self._kept: list[Change] = []
        self._progress = lease.job.progress
        self._looked = 0

    async def run(self) -> Job:
        """Bring the job to its end, or to where somebody has to say yes. ``LeaseLost`` leaves it to its new holder."""
        try:
            await self._run()
        except LeaseLost:
            raise
        except Stopped:
            await self._end(JobState.CANCELLED, "cancelled")
        except KistError as error:
            await self._end(JobState.FAILED, f"{error.code}: {error.message}")
        return self._lease.job

    async def _run(self) -> None:
        job = self._lease.job
        if job.state in (JobState.QUEUED, JobState.PLANNING):
            await self._lease.move(JobState.PLANNING)
            if not await self._planned():
                return
        self._check()
        if self._lease.job.state is not JobState.RUNNING:
            await self._lease.move(JobState.RUNNING)
        await self._send()
        await self._delete()
        await self._remember()
        worst = JobState.SUCCEEDED_WITH_ERRORS if self._progress.errors else JobState.SUCCEEDED
        await self._end(worst, f"{self._progress.errors} files could not be synced" if self._progress.errors else "")

    async def _planned(self) -> bool:
        """Make the plan. Whether it may be carried out now."""
        sides, job = self._sides, self._lease.job
        if job.options.undo_of is not None:
            self._progress = await Undoer(self._catalogue, job, sides.dest, self._planning_beat).make()
            await self._lease.move(JobState.RUNNING, progress=self._progress)
            return True
        planner = Planner(self._catalogue, job, sides.source, sides.dest, self._planning_beat, self._same_bytes)
        plan = await planner.make()
        self._progress = plan.progress
        if job.options.immutable and plan.replaces:
            raise WrongState(f"{plan.replaces} files are there already and would change: nothing was sent")
        if job.options.dry_run:
            await self._lease.move(JobState.SUCCEEDED, plan=plan.digest, progress=self._progress, reason="dry run")
            return False
        why = plan.wants_confirmation(job)
        if why and job.confirmed != plan.digest:
            await self._lease.move(
                JobState.NEEDS_CONFIRMATION, plan=plan.digest, progress=self._progress, reason=f"{why}: confirm the job"
            )
            return False
        await self._lease.move(JobState.RUNNING, plan=plan.digest, progress=self._progress)
        return True

    async def _planning_beat(self, *changes: Change, progress: Progress) -> None:
        await self._lease.beat(*changes, progress=progress)
        self._told(self._lease.job)
        self._check()

    async def _same_bytes(self, one: Item, other: Item) -> bool:
        return await same_bytes(self._sides.source, self._sides.dest, one, other)

    async def _send(self) -> None:
        """Send what is to be sent, many files at once; write down every half second."""
        async with together() as start:
            beating = start(self._beat_on())
            try:
                await self._send_all()
            finally:
                beating.cancel()
        await self._write_down()
        self._check()

    async def _send_all(self) -> None:
        after, wait = "", self._lease.job.options.wait
        async with together() as start:
            while page := await self._catalogue.steps(self._lease.job.id, PAGE, after, planned=True):
                after = page[-1].key
                steps = [step for step in page if step.act is not Act.DELETE]
                for few in batched(steps, 1 if wait else READ_TOGETHER):
                    if wait:
                        await self._clock.pause(wait)
                    read = await self._carrier.read_ahead([_item_of(step) for step in few])
                    for step in few:
                        await self._pace.begin()
                        if self._stopping():
                            return
                        start(self._one(step, read.get(step.key)))

    async def _one(self, step: Step, read: Read) -> None:
        """One step, to its end. What goes wrong with one file does not stop the others."""
        try:
            await self._act(step, read)
        except (LeaseLost, Stopped):
            return  # it stays planned
        except KistError as error:
            if isinstance(error, StoreUnavailable):
                self._pace.was_refused()
            self._failed(step, error)
        finally:
            self._pace.end()

    async def _act(self, step: Step, read: Read) -> None:
        self._progress = msgspec.structs.replace(self._progress, current=step.key)
        dest = self._sides.dest
        if step.act is Act.RESTORE:
            if step.before is not None:
                await dest.keep(step.key, trash_of(self._lease.job.id, step.key))
            found = await dest.restore(trash_of(self._lease.job.options.undo_of or "", step.key), step.key)
        else:
            found = await self._sent(step, read)
        self._pace.went_well()
        if found is None:
            self._failed(step, Invalid("what was put aside is no longer there"))
            return
        done = msgspec.structs.replace(step, state=StepState.DONE, after=found.etag)
        restored = step.act is Act.RESTORE
        entry = Entry(
            dest=dest.name,
            key=step.key,
            size=found.size,
            modified=-1 if restored else step.modified,  # what was brought back is not what the source has
            etag=found.etag,
            sha256=None,
            job=self._lease.job.id,
        )
        self._done.append(Swap(step, done))
        self._kept.append(Keep(entry))
        self._count(files=1)

    async def _sent(self, step: Step, read: Read) -> Item:
        dest, job = self._sides.dest, self._lease.job
        item = _item_of(step)
        look = job.resumed and self._looked < LOOKED_AT
        if look or step.act is Act.REPLACE:
            self._looked += 1
            now = await dest.item(step.key)
            if look and now is not None and now.etag != step.before and await self._arrived(item, now):
                return now
            if now is not None and now.etag != step.before:
                raise WrongState("it has changed at the destination since the plan was made: sync again")
            if now is not None and not await dest.keep(step.key, trash_of(job.id, step.key)):
                raise WrongState("it has gone from the destination since the plan was made: sync again")
        return await self._carrier.carry(
            item, read, parts_id=step.parts_id, remember=lambda parts: self._parts(step, parts)
        )

    async def _arrived(self, item: Item, now: Item) -> bool:
        """Whether a file that nothing was written down about was sent before the break."""
        return now.size == item.size and await same_bytes(self._sides.source, self._sides.dest, item, now)

    async def _parts(self, step: Step, parts_id: str) -> None:
        begun = msgspec.structs.replace(step, parts_id=parts_id)
        await self._lease.beat(Swap(step, begun), progress=self._progress)

    async def _delete(self) -> None:
        """Delete last, and only if all was sent. Bytes are put aside first; before each batch the lease is shown."""
        after = ""
        while page := await self._catalogue.steps(self._lease.job.id, DELETED_TOGETHER, after, planned=True):
            after = page[-1].key
            steps = [step for step in page if step.act is Act.DELETE]
            if self._progress.errors:
                why = "not deleted: other files could not be sent"
                passed = [
                    Swap(step, msgspec.structs.replace(step, state=StepState.PASSED, error=why)) for step in steps
                ]
                await self._lease.beat(*passed, progress=self._progress)
                continue
            if self._lease.job.options.wait:
                for step in steps:
                    await self._clock.pause(self._lease.job.options.wait)
                    await self._delete_together([step])
            else:
                await self._delete_together(steps)

    async def _delete_together(self, steps: list[Step]) -> None:
        self._check()
        async with together() as start:
            kept = [(step, start(self._set_aside(step))) for step in steps]
        await self._lease.beat(progress=self._progress)
        self._check()
        gone = [step for step, task in kept if task.result()]
        await self._sides.dest.remove(*(step.key for step in gone))
        self._done += [Swap(step, msgspec.structs.replace(step, state=StepState.DONE)) for step in gone]
        self._count(deleted=len(gone))
        await self._write_down()

    async def _set_aside(self, step: Step) -> bool:
        """Whether it may be deleted: it is still what the plan saw, and a copy is kept."""
        dest = self._sides.dest
        try:
            now = await dest.item(step.key)
            if now is None:
                return True
            if now.etag != step.before:
                raise WrongState("it has changed since the plan was made: left alone")
            await dest.keep(step.key, trash_of(self._lease.job.id, step.key))
        except KistError as error:
            self._failed(step, error)
            return False
        return True

    async def _remember(self) -> None:
        """Which folder this was, for the next sync to the same place."""
        sides = self._sides
        identity = await sides.source.identity()
        kept = Entry(
            dest=memory_of(sides.source, sides.dest),
            key="/",
            size=0,
            modified=0,
            etag=identity,
            sha256=None,
            job=self._lease.job.id,
        )
        await self._lease.beat(Keep(kept), progress=self._progress)

    async def _beat_on(self) -> None:
        while True:
            await self._clock.pause(BEAT)
            await self._write_down()

    async def _write_down(self) -> None:
        await self._lease.beat(*self._taken(), progress=self._progress)
        self._told(self._lease.job)

    async def _end(self, state: JobState, reason: str) -> None:
        progress = msgspec.structs.replace(self._progress, current="")
        await self._lease.move(state, *self._taken(), reason=reason, progress=progress)
        self._told(self._lease.job)

    def _taken(self) -> list[Change]:
        """What is to be written down, changes of one kind together: so they cost least."""
        changes, self._done, self._kept = self._done + self._kept, [], []
        return changes

    def _failed(self, step: Step, error: KistError) -> None:
        failed = msgspec.structs.replace(step, state=StepState.FAILED, error=f"{error.code}: {error.message}")
        self._done.append(Swap(step, failed))
        self._count(errors=1)

    def _count(self, *, files: int = 0, deleted: int = 0, errors: int = 0) -> None:
        now = self._progress
        self._progress = msgspec.structs.replace(
            now, files=now.files + files, deleted=now.deleted + deleted, errors=now.errors + errors
        )

    def _passed(self, count: int) -> None:
        self._progress = msgspec.structs.replace(self._progress, bytes=self._progress.bytes + count)

    def _stopping(self) -> bool:
        return self._lease.asked_to_stop

    def _check(self) -> None:
        if self._stopping():
            raise Stopped("the job was cancelled")


def _item_of(step: Step) -> Item:
    """What a step is about, as the source's."""
    return Item(step.key, step.size, step.modified, step.source)
