"""Carry out one job: plan, wait for a yes where one is due, send, and delete last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import msgspec

from kist.errors import BucketNotEmpty, CatalogueBusy, KistError, LeaseLost, SourceMissing, Stopped, WrongState
from kist.model.changes import Change, Forget, Keep, Swap
from kist.model.ends import read_end
from kist.model.job import Act, Entry, Job, JobState, Progress, Step, StepState
from kist.model.trash import Trash
from kist.ports.catalogue import Catalogue
from kist.ports.lease import Lease
from kist.ports.system import Clock
from kist.ports.tree import Item
from kist.sync.bucket import BucketTree
from kist.sync.comparing import Comparer
from kist.sync.journal import Journal
from kist.sync.pace import Pace
from kist.sync.patience import Patience
from kist.sync.planning import PAGE, Plan, Planner, memory_of
from kist.sync.removal import REMOVES, Remover
from kist.sync.sides import Sides
from kist.sync.steps import LOOKED_AT, Steps, item_of
from kist.sync.together import Start, together
from kist.sync.transfer import READ_TOGETHER, Carrier, Read, same_bytes
from kist.sync.undoing import Undoer

DELETED_TOGETHER = 100
LOOKING_BACK = 10.0
"""Seconds that a cancelled job takes at most to find out what became of what it broke off."""


class Runner:
    """One job under way. ``trash_life``: for how long a folder keeps what was put aside. ``told`` hears of progress."""

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        lease: Lease,
        sides: Sides,
        trash_life: timedelta,
        told: Callable[[Job], None] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._lease = lease
        self._sides = sides
        self._trash_life = trash_life
        options = lease.job.options
        self._journal = journal = Journal(lease, clock, told or (lambda job: None))
        self._pace = Pace(clock, at_once=1 if options.wait else options.at_once, rate=options.rate)
        self._patience = Patience(clock)
        self._carrier = carrier = Carrier(sides.source, sides.dest, self._pace, self._passed, lambda: journal.stopping)
        self._steps = Steps(lease, sides, carrier, journal, clock)
        self._identity = ""
        self._under_way: set[str] = set()
        self._broke_off = lease.job.resumed or lease.job.state is JobState.CANCELLING

    async def run(self) -> Job:
        """Bring the job to its end, or to where somebody has to say yes.

        ``LeaseLost`` leaves it to its new holder, ``CatalogueBusy`` to whoever takes it over once the lease is out.
        """
        try:
            await self._run()
        except (LeaseLost, CatalogueBusy):
            raise
        except Stopped:
            await self._look_back()
            await self._journal.end(JobState.CANCELLED, "cancelled")
            await self._drop_parts()
        except KistError as error:
            await self._journal.end(JobState.FAILED, f"{error.code}: {error.message}")
        return self._lease.job

    async def _run(self) -> None:
        if self._lease.job.state in (JobState.QUEUED, JobState.PLANNING):
            await self._lease.move(JobState.PLANNING)
            async with self._journal.alive(grace=0):
                await self._drop_parts()
                await self._look_back_at_earlier()
                plan = await self._patience.over(self._planned)
            if not await self._agreed(plan):
                return
        self._journal.check()
        async with self._journal.alive():
            await self._tidy()
            await self._send()
            await self._journal.write_down()
            await self._delete()
            if self._removes:
                await self._remove_bucket()
        if self._removes:
            await self._journal.end(JobState.SUCCEEDED, "the source is gone or empty: its bucket was removed")
            return
        await self._remember()
        await self._drop_parts()
        errors = self._journal.progress.errors
        worst = JobState.SUCCEEDED_WITH_ERRORS if errors else JobState.SUCCEEDED
        await self._journal.end(worst, f"{errors} files could not be synced" if errors else "")

    async def _planned(self) -> Plan:
        sides, job = self._sides, self._lease.job
        if job.options.undo_of is not None:
            return await Undoer(self._catalogue, job, sides.dest, self._planning_beat).make()
        sync = memory_of(sides.source, sides.dest)
        comparer = Comparer(self._catalogue, self._clock, sync, sides.source, sides.dest, self._same_bytes)
        planner = Planner(self._catalogue, job, sides.source, sides.dest, self._planning_beat, comparer)
        try:
            return await planner.make()
        except SourceMissing as gone:
            other = job.plan is not None and not self._removes  # of which some may have been done
            if sides.removal is None or other or not gone.about.get("absent"):
                raise
            await sides.removal.check()
            return await Remover(self._catalogue, job, sides.dest, self._planning_beat).make(gone)

    @property
    def _removes(self) -> bool:
        return (self._lease.job.plan or "").startswith(REMOVES)

    async def _remove_bucket(self) -> None:
        """The bucket goes as well, once it was seen that all in it could go."""
        removal = self._sides.removal
        if self._journal.progress.errors or removal is None:
            raise BucketNotEmpty("the bucket is kept, as not all in it could be deleted")
        await self._journal.write_down()
        self._journal.check()
        await self._patience.over(removal.drop)

    async def _agreed(self, plan: Plan) -> bool:
        """Whether the plan may be carried out now."""
        job, options = self._lease.job, self._lease.job.options
        self._journal.progress = plan.progress
        known = {"plan": plan.digest or None, "progress": plan.progress}
        if options.immutable and plan.replaces:
            raise WrongState(f"{plan.replaces} files are there already and would change: nothing was sent")
        if options.dry_run:
            await self._lease.move(JobState.SUCCEEDED, reason="dry run", **known)
            return False
        why = "" if options.undo_of else plan.wants_confirmation(job)
        confirmed = job.confirmed == plan.digest
        if why and not confirmed:
            await self._lease.move(JobState.NEEDS_CONFIRMATION, reason=f"{why}: confirm the job", **known)
            return False
        await self._lease.move(JobState.RUNNING, **known)
        # Another folder than before is not taken for the right one until somebody has said so.
        self._identity = plan.identity if confirmed or not plan.moved else ""
        return True

    async def _planning_beat(self, *changes: Change, progress: Progress) -> None:
        self._journal.progress = progress
        await self._journal.write_down(*changes)
        self._journal.check()

    async def _same_bytes(self, one: Item, other: Item) -> bool:
        async with self._pace.turn():
            return await same_bytes(self._sides.source, self._sides.dest, one, other)

    async def _tidy(self) -> None:
        if self._lease.job.options.undo_of is None:  # an undo needs what is old
            old = (self._clock.now() - self._trash_life).timestamp()
            trash = Trash(self._catalogue.job, read_end(self._lease.job.dest))
            await self._sides.dest.tidy(old, trash.is_ours)

    async def _send(self) -> None:
        """Send what is to be sent, a page of steps at a time, many files at once."""
        after = ""
        async with together() as start:
            while page := await self._catalogue.steps(self._lease.job.id, PAGE, after, planned=True):
                after = page[-1].key
                await self._send_all([step for step in page if step.act is not Act.DELETE], start)
                if self._journal.stopping:
                    break  # not by an error: what is under way is given its time
        self._journal.check()

    async def _send_all(self, steps: list[Step], start: Start[None]) -> None:
        wait = self._lease.job.options.wait
        few = 1 if wait else READ_TOGETHER
        for some in (steps[at : at + few] for at in range(0, len(steps), few)):
            if wait:
                await self._clock.pause(wait)
            sent = [step for step in some if step.act is not Act.RESTORE]
            await self._steps.look_at(sent)
            read = await self._carrier.read_ahead([item_of(step) for step in sent])
            for step in some:
                await self._pace.begin()
                if self._journal.stopping:
                    self._pace.end()
                    return
                start(self._one(step, read.get(step.key)))

    async def _one(self, step: Step, read: Read) -> None:
        """One step, whose turn it is, to its end. What goes wrong with one file does not stop the others."""
        self._under_way.add(step.key)
        try:
            await self._patience.over(lambda: self._steps.carry_out(step, read), self._pace.was_refused)
            self._pace.went_well()
        except (LeaseLost, CatalogueBusy):
            raise
        except Stopped:
            return  # it stays planned
        except KistError as error:
            self._failed(step, error)
        finally:
            self._pace.end()
        self._under_way.discard(step.key)

    async def _look_back(self) -> None:
        """Find out what became of steps that were broken off, by this worker or by one that was killed.

        Steps are begun in the order of keys, so those are among the first that are still planned.
        """
        if not (self._under_way or self._broke_off):
            return
        await self._journal.write_down()
        planned = await self._catalogue.steps(self._lease.job.id, LOOKED_AT, planned=True)
        with suppress(Stopped):  # when it takes too long
            async with self._journal.alive(LOOKING_BACK):
                await self._looked_back([step for step in planned if self._broke_off or step.key in self._under_way])

    async def _look_back_at_earlier(self) -> None:
        """Before a job is planned once more: what failed or was left to do may have come to its end all the same, as
        when an answer was lost. A new plan would take it for another's.
        """
        after = ""
        left: list[Step] = []
        while self._lease.job.plan is not None and len(left) < LOOKED_AT:
            page = await self._catalogue.steps(self._lease.job.id, PAGE, after)
            if not page:
                break
            after = page[-1].key
            left += [step for step in page if step.state in (StepState.PLANNED, StepState.FAILED)]
        await self._looked_back([step for step in left if step.act is not Act.NOTE])
        await self._journal.write_down()

    async def _looked_back(self, steps: list[Step]) -> None:
        async with together() as start:
            for step in steps:
                start(self._looked_back_at(step))

    async def _looked_back_at(self, step: Step) -> None:
        async with self._pace.turn():
            with suppress(KistError):  # then it is not known, and stays planned
                await self._steps.look_back(step)

    async def _delete(self) -> None:
        """Delete last, and only if all was sent. Bytes are put aside first; before each batch the lease is shown."""
        after = ""
        while page := await self._catalogue.steps(self._lease.job.id, DELETED_TOGETHER, after, planned=True):
            after = page[-1].key
            steps = [step for step in page if step.act is Act.DELETE]
            if self._journal.progress.errors:
                await self._journal.write_down(*map(_passed_over, steps))
            elif self._lease.job.options.wait:
                for step in steps:
                    await self._clock.pause(self._lease.job.options.wait)
                    await self._delete_together([step])
            else:
                await self._delete_together(steps)

    async def _delete_together(self, steps: list[Step]) -> None:
        dest = self._sides.dest
        self._journal.check()
        async with together() as start:
            kept = [(step, start(self._set_aside(step))) for step in steps]
        await self._journal.write_down()
        self._journal.check()
        gone = [step for step, task in kept if task.result()]
        await self._patience.over(lambda: dest.remove(*(step.key for step in gone)))
        for step in gone:
            done = msgspec.structs.replace(step, state=StepState.DONE)
            # What lies there from now on is not what a sync has put there, even where it looks the same.
            self._journal.note(Swap(step, done), Forget(dest.name, step.key))
        self._journal.count(deleted=len(gone))
        await self._journal.write_down()

    async def _set_aside(self, step: Step) -> bool:
        """Whether it may be deleted."""
        async with self._pace.turn():
            try:
                await self._patience.over(lambda: self._steps.set_aside(step), self._pace.was_refused)
            except (LeaseLost, CatalogueBusy):
                raise
            except KistError as error:
                self._failed(step, error)
                return False
        return True

    async def _remember(self) -> None:
        """Which folder this was, for the next sync to the same place."""
        if not self._identity:
            return
        kept = Entry(
            dest=memory_of(self._sides.source, self._sides.dest),
            key="/",
            size=0,
            modified=0,
            etag=self._identity,
            job=self._lease.job.id,
        )
        await self._journal.write_down(Keep(kept))

    async def _drop_parts(self) -> None:
        """End multipart uploads that nobody goes on with. What the store does not let go of now, it keeps."""
        dest, job, after = self._sides.dest, self._lease.job, ""
        if not isinstance(dest, BucketTree) or dest.takes_parts is None or not self._steps.began_parts:
            return
        while page := await self._catalogue.steps(job.id, PAGE, after):
            after = page[-1].key
            for step in page:
                if step.parts_id is not None and step.state is not StepState.DONE:
                    with suppress(KistError):
                        await dest.takes_parts.drop_parts(dest.place(step.key), step.parts_id)

    def _failed(self, step: Step, error: KistError) -> None:
        failed = msgspec.structs.replace(step, state=StepState.FAILED, error=f"{error.code}: {error.message}")
        self._journal.note(Swap(step, failed))
        self._journal.count(errors=1)

    def _passed(self, count: int) -> None:
        self._journal.count(bytes=count)


def _passed_over(step: Step) -> Swap:
    why = "not deleted: other files could not be sent"
    return Swap(step, msgspec.structs.replace(step, state=StepState.PASSED, error=why))
