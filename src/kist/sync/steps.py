"""Carry out one step of a plan. Each may have been carried out already, by a worker that was killed before it wrote."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kist.errors import AlreadyThere, Invalid, ObjectMissing, Stale, WrongState
from kist.model.changes import Keep, Swap
from kist.model.job import Act, Compare, Compared, Entry, Step, StepState
from kist.model.trash import trash_of
from kist.ports.lease import Lease
from kist.ports.system import Clock
from kist.ports.tree import Item
from kist.sync.bucket import BucketTree
from kist.sync.comparing import prints_of
from kist.sync.folder import FolderTree
from kist.sync.journal import Journal
from kist.sync.planning import memory_of
from kist.sync.sides import Sides
from kist.sync.transfer import Carrier, Read, same_bytes

LOOKED_AT = 1000
"""After a break, of how many files it is asked whether they were sent already."""


def item_of(step: Step) -> Item:
    """What a step is about, as the source has it."""
    return Item(step.key, step.size, step.modified, step.source)


class Steps:
    """What a plan says, done to ``sides``. Nothing is replaced or removed that the plan did not see, nor before it
    was put aside.
    """

    def __init__(self, lease: Lease, sides: Sides, carrier: Carrier, journal: Journal, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock
        self._prints: dict[str, str] = {}
        self._sides = sides
        self._carrier = carrier
        self._journal = journal
        self._looked = 0
        self.began_parts = lease.job.resumed or lease.job.plan is not None
        """Whether multipart uploads may have begun, in this run or an earlier one."""

    async def look_at(self, steps: Sequence[Step]) -> None:
        """Look at what is about to be read, where bytes are compared: what is sent need not be read again for that."""
        if self._lease.job.options.compare is not Compare.TIME and isinstance(self._sides.dest, BucketTree):
            found = await prints_of(self._sides.source, list(map(item_of, steps)), self._clock)
            self._prints.update(zip((step.key for step in steps), found, strict=True))

    async def carry_out(self, step: Step, read: Read = None) -> None:
        """Send or bring back one file, and note it. ``read``: its bytes, where they were read ahead."""
        self._journal.at(step.key)
        self._note_done(step, await (self._brought_back(step) if step.act is Act.RESTORE else self._sent(step, read)))

    async def look_back(self, step: Step) -> None:
        """Note a step as done that broke off, if it came that far: it is the sync's, and an undo takes it back."""
        if step.act is Act.DELETE:
            return
        now = await self._sides.dest.item(step.key)
        if now is None or now.etag == step.before:
            return
        if now.etag == step.source if step.act is Act.RESTORE else await self._arrived(item_of(step), now):
            self._note_done(step, now)

    def _note_done(self, step: Step, found: Item) -> None:
        done = msgspec.structs.replace(step, state=StepState.DONE, after=found.etag, error=None)
        restored = step.act is Act.RESTORE
        entry = Entry(
            dest=self._sides.dest.name,
            key=step.key,
            size=found.size,
            modified=-1 if restored else step.modified,  # what was brought back is not what the source has
            etag=found.etag,
            job=self._lease.job.id,
        )
        self._journal.note(Swap(step, done), Keep(entry))
        if seen := self._prints.pop(step.key, ""):
            sync = memory_of(self._sides.source, self._sides.dest)
            self._journal.note(Keep(Compared(sync=sync, key=step.key, source=seen, dest=found.etag)))
        self._journal.count(files=1)

    async def set_aside(self, step: Step) -> None:
        """Keep a copy of what is to be deleted. ``WrongState`` when it is no longer what the plan saw."""
        now = await self._sides.dest.item(step.key)
        if now is not None and now.etag != step.before:
            raise WrongState("it has changed since the plan was made: left alone")
        if now is not None:
            await self._keep(step, now)

    async def _brought_back(self, step: Step) -> Item:
        dest, undone = self._sides.dest, self._lease.job.options.undo_of or ""
        now = await dest.item(step.key)
        if now is not None and now.etag == step.source:
            return now  # by a try that was cut off
        if now is not None:
            if now.etag != step.before and not await self._came_before(step, now):
                raise WrongState("it has changed at the destination since the plan was made: left alone")
            await self._keep(step, now)
        found = await dest.restore(trash_of(undone, step.key), step.key)
        if found is None:
            raise Invalid("what was put aside is no longer there")
        return found

    async def _came_before(self, step: Step, now: Item) -> bool:
        """Whether a try that was cut off has brought back what lies there now, in a store whose copies are called
        another name."""
        if not self._lease.job.resumed or now.size != step.size:
            return False
        return step.before is None or await self._sides.dest.kept(self._trash(step)) is not None

    async def _sent(self, step: Step, read: Read) -> Item:
        item = item_of(step)
        look = self._lease.job.resumed and self._looked < LOOKED_AT
        if look or step.act is Act.REPLACE:
            self._looked += 1
            now = await self._sides.dest.item(step.key)
            if look and now is not None and now.etag != step.before and await self._arrived(item, now):
                return now
            await self._make_way(step, now)
        try:
            return await self._carrier.carry(
                item,
                read,
                only_new=step.before is None,
                parts_id=step.parts_id,
                remember=lambda parts: self._parts(step, parts),
            )
        except AlreadyThere as error:
            return await self._put_before(step, item, error)

    async def _make_way(self, step: Step, now: Item | None) -> None:
        """See that there is what the plan saw, and put it aside."""
        if now is not None and now.etag != step.before:
            raise WrongState("it has changed at the destination since the plan was made: sync again")
        if now is None and step.before is not None:
            raise WrongState("it has gone from the destination since the plan was made: sync again")
        if now is not None and not await self._keep(step, now):
            raise WrongState("it has gone from the destination since the plan was made: sync again")

    async def _put_before(self, step: Step, item: Item, error: AlreadyThere) -> Item:
        """There is something where nothing was: this very file, put by a try whose answer was lost, or another's."""
        now = await self._sides.dest.item(step.key)
        if now is None:
            raise error
        if await self._arrived(item, now):
            return now
        raise WrongState("something was put at the destination since the plan was made: sync again") from error

    async def _keep(self, step: Step, now: Item) -> bool:
        """Put aside what is there, once. What an earlier run of this job has put aside is never replaced."""
        dest, job = self._sides.dest, self._lease.job
        kept = await dest.kept(self._trash(step)) if job.fence > 1 else None
        if kept is None:
            return await dest.keep(step.key, self._trash(step))
        if kept.etag == now.etag:
            return True
        return await dest.keep(step.key, trash_of(f"{job.id}.{job.fence}", step.key))

    def _trash(self, step: Step) -> str:
        return trash_of(self._lease.job.id, step.key)

    async def _arrived(self, item: Item, now: Item) -> bool:
        """Whether a file that nothing was written down about was sent before the break."""
        if now.size != item.size:
            return False
        if isinstance(self._sides.dest, FolderTree) and now.modified != item.modified:
            return False
        try:
            return await same_bytes(self._sides.source, self._sides.dest, item, now)
        except (Stale, ObjectMissing):
            return False

    async def _parts(self, step: Step, parts_id: str) -> None:
        self.began_parts = True
        begun = msgspec.structs.replace(step, parts_id=parts_id)
        await self._journal.write_down(Swap(step, begun))
