"""Make the plan: what to do about every key, written down before anything is done."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from kist.errors import SourceMissing
from kist.model.changes import Add, Change, Clear, Forget, Swap
from kist.model.job import Act, Compare, Entry, Job, Progress, Step, StepState
from kist.ports.catalogue import Catalogue
from kist.ports.tree import Item, Tree, Trouble
from kist.sync.compare import Decision, decide, decide_extra
from kist.sync.comparing import Comparer
from kist.sync.march import Ahead, Met, march
from kist.sync.patterns import Patterns
from kist.sync.ranges import RANGE, listed

PAGE = 1000
TOGETHER = 500
SEEN = 10_000
"""After so many keys a sign of life is due, even when nothing is to be done about any of them."""
MOST_NOTES = 1000
FEW = 20
"""Files below which a share of them says nothing."""

_BEHIND = chr(ord("/") + 1)
"""What is greater than all that lies below a folder begins so, behind the folder's name."""

Beat = Callable[..., Awaitable[None]]


@dataclass
class Plan:
    """What a plan comes to. ``empty``: the source has nothing at all; ``hidden``: why not all of it was seen."""

    creates: int = 0
    replaces: int = 0
    deletes: int = 0
    bytes: int = 0
    unchanged: int = 0
    managed: int = 0
    notes: int = 0
    unseen: int = 0
    hidden: str = ""
    empty: bool = True
    identity: str = ""
    moved: bool = False
    digest: str = ""

    @property
    def progress(self) -> Progress:
        return Progress(
            files_total=self.creates + self.replaces + self.unseen,
            errors=self.unseen,
            bytes_total=self.bytes,
            deleted_total=self.deletes,
            unchanged=self.unchanged,
        )

    def wants_confirmation(self, job: Job) -> str:
        """Why somebody has to say yes first; empty when nobody has to."""
        if not self.deletes:
            return ""
        if self.moved:
            return "the source is not the folder that was synced before"
        if self.deletes > job.options.max_delete:
            return f"{self.deletes} files would be deleted, more than {job.options.max_delete}"
        if self.managed >= FEW and self.deletes * 10 > self.managed:
            return f"{self.deletes} of {self.managed} files would be deleted, more than a tenth"
        return ""


class Planner:
    """Makes the plan of one sync."""

    def __init__(
        self, catalogue: Catalogue, job: Job, source: Tree, dest: Tree, beat: Beat, comparer: Comparer
    ) -> None:
        self._catalogue = catalogue
        self._job = job
        self._source = source
        self._dest = dest
        self._beat = beat
        self._comparer = comparer
        self._same: dict[str, bool | None] = {}
        self._patterns = Patterns(job.options.include, job.options.exclude)
        self._steps: list[Change] = []
        self._noted: set[str] = set()
        self._links: list[str] = []
        self._earlier = Ahead(self._done_before(), "an earlier plan")
        self._plan = Plan()
        self._digest = hashlib.sha256()

    async def make(self) -> Plan:
        """Walk both sides and write the steps. ``SourceMissing``; what cannot be listed to its end raises."""
        plan = self._plan
        before = await self._source.identity()
        await self._beat(Clear(self._job.id), progress=plan.progress)
        try:
            await self._walk()
        finally:
            await self._earlier.close()
            await self._comparer.close()
        await self._write()
        await self._identify(before)
        if plan.deletes and (plan.empty or plan.hidden):
            why = plan.hidden or "the source is empty"
            await self._withdraw_deletions(f"{why}: nothing is deleted")
        if plan.empty and self._job.options.delete:
            raise SourceMissing(
                "the source is empty: a sync that deletes takes that for a mistake",
                absent=not plan.hidden,
                moved=plan.moved,
            )
        plan.digest = self._digest.hexdigest()
        return plan

    async def _walk(self) -> None:
        manifest, seen = entries_of(self._catalogue, self._dest.name), 0
        source, dest = listed(self._source, self._marks), listed(self._dest, self._marks)
        async with aclosing(march(source, dest, manifest)) as batches:
            async for batch in batches:
                await self._compare(batch)
                for met in batch:
                    if not self._is_unchanged(met):
                        await self._take(met)
                seen += len(batch)
                if seen >= SEEN:
                    seen = 0
                    await self._write()
        if self._job.options.compare is not Compare.TIME:
            await self._comparer.end()
            await self._note_compared()

    async def _marks(self, after: str) -> Sequence[str]:
        """Keys by which what lies behind ``after`` can be listed in ranges: both sides have much the same ones."""
        return await self._catalogue.marks(self._dest.name, RANGE, after)

    async def _compare(self, batch: Sequence[Met]) -> None:
        """Compare the bytes of those keys of which nothing else tells enough."""
        pairs = [
            (met.source, met.dest)
            for met in batch
            if isinstance(met.source, Item) and isinstance(met.dest, Item) and self._patterns.wants(met.key)
            if decide(met.source, met.dest, met.entry, self._job.options.compare).digest
        ]
        self._same = await self._comparer.same(pairs) if pairs else {}
        await self._note_compared()

    async def _note_compared(self) -> None:
        changes, self._comparer.changes = self._comparer.changes, []
        for change in changes:
            await self._keep(change)

    def _is_unchanged(self, met: Met) -> bool:
        """Whether nothing is to be done about a key, as about most: told without waiting for anything."""
        source, dest = met.source, met.dest
        if not isinstance(source, Item) or not isinstance(dest, Item) or not self._patterns.wants(met.key):
            return False
        decision = decide(source, dest, met.entry, self._job.options.compare)
        if decision.act is not None or decision.digest:
            return False
        self._plan.empty = False
        self._plan.unchanged += 1
        self._plan.managed += met.entry is not None
        return True

    async def _identify(self, before: str) -> None:
        """See that what was listed is what stood there at the beginning, and what was synced before."""
        plan = self._plan
        plan.identity = await self._source.identity()
        if _place(plan.identity) != _place(before) and not plan.hidden:
            plan.hidden = "the source was exchanged while it was listed"
        remembered = await self._remembered()
        plan.moved = remembered is not None and remembered != plan.identity

    async def _done_before(self) -> AsyncIterator[list[Step]]:
        """What earlier runs of this job have done: it belongs to what an undo takes back."""
        after = ""
        while self._job.plan is not None and (page := await self._catalogue.steps(self._job.id, PAGE, after)):
            yield [step for step in page if step.state is StepState.DONE]
            after = page[-1].key

    async def _remembered(self) -> str | None:
        """The identity of the folder that was synced to this destination before."""
        first = await self._catalogue.entries(memory_of(self._source, self._dest), 1)
        return first[0].etag if first else None

    async def _take(self, met: Met) -> None:
        plan = self._plan
        if isinstance(met.source, Trouble):
            if met.source.link and self._job.options.delete and not self._behind_link(met.key):
                self._links.append(met.key)
            await self._note(met.source)
            return
        if isinstance(met.dest, Trouble):
            await self._note(met.dest)
            return
        plan.empty &= met.source is None
        if not self._patterns.wants(met.key):
            return
        if met.source is None and met.dest is None:
            await self._forget(met.key)
            return
        if met.entry is not None and met.dest is not None:
            plan.managed += 1
        if met.source is not None:
            decision = self._decided(met.source, met.dest, met.entry)
            await self._add(decision, met.source, met.dest)
        elif met.dest is not None and self._job.options.delete:
            decision = self._decided_extra(met.dest, met.entry)
            if decision.act is Act.NOTE and plan.notes >= MOST_NOTES:
                return
            await self._add(decision, met.dest, met.dest)

    def _decided(self, source: Item, dest: Item | None, entry: Entry | None) -> Decision:
        decision = decide(source, dest, entry, self._job.options.compare)
        if not decision.digest:
            return decision
        same = self._same[source.key]
        if same is None:
            return Decision(Act.REPLACE, "changed while it was compared")
        return Decision(None, "the same bytes") if same else Decision(Act.REPLACE, "other bytes")

    def _decided_extra(self, dest: Item, entry: Entry | None) -> Decision:
        decision = decide_extra(dest, entry)
        if decision.act is Act.DELETE and self._behind_link(dest.key):
            return Decision(Act.NOTE, "behind a link of the source, which is not followed: left alone")
        return decision

    def _behind_link(self, key: str) -> bool:
        """Whether ``key`` lies below a link that was passed over: its folder has moved, and is not gone.

        Keys come in order, so of the links few are kept: those below which a key may still come.
        """
        self._links = [link for link in self._links if key < f"{link}{_BEHIND}"]
        return any(key.startswith(f"{link}/") for link in self._links)

    async def _add(self, decision: Decision, item: Item, dest: Item | None) -> None:
        plan, act = self._plan, decision.act
        if act is None:
            plan.unchanged += 1
            return
        match act:
            case Act.CREATE:
                plan.creates += 1
                plan.bytes += item.size
            case Act.REPLACE:
                plan.replaces += 1
                plan.bytes += item.size
            case Act.DELETE:
                plan.deletes += 1
            case _:
                plan.notes += 1
        before = None if dest is None else dest.etag
        earlier = await self._earlier.reach(item.key)
        if earlier is not None and act is Act.NOTE:
            return
        if act is not Act.NOTE:
            self._digest.update(f"{act.value}\0{item.key}\0{item.size}\0{item.etag}\0{before}\n".encode())
        state = StepState.PASSED if act is Act.NOTE else StepState.PLANNED
        step = Step(
            job=self._job.id,
            key=item.key,
            act=act if earlier is None else _joined(earlier.act, act),
            reason=decision.reason,
            size=item.size,
            modified=item.modified,
            source=item.etag,
            before=before,
            state=state,
        )
        await self._keep(Add(step) if earlier is None else Swap(earlier, step))

    async def _forget(self, key: str) -> None:
        """What is gone is no longer a sync's own: what comes to its place is somebody else's, whatever bytes it has."""
        if not self._job.options.dry_run:
            await self._keep(Forget(self._dest.name, key))

    async def _note(self, trouble: Trouble) -> None:
        if trouble.hides and self._patterns.excludes(trouble.key):
            return
        if trouble.hides and not self._plan.hidden:
            self._plan.hidden = f"{spelled(trouble.key)} {trouble.reason}"
        if trouble.hides:
            self._plan.unseen += 1
        else:
            self._plan.empty = False
        key = spelled(trouble.key)
        # Two names that cannot be shown may come out alike.
        if self._plan.notes >= MOST_NOTES or key in self._noted or await self._earlier.reach(trouble.key) is not None:
            return
        self._plan.notes += 1
        self._noted.add(key)
        state = StepState.FAILED if trouble.hides else StepState.PASSED
        error = trouble.reason if trouble.hides else None
        step = Step(job=self._job.id, key=key, act=Act.NOTE, reason=trouble.reason, state=state, error=error)
        await self._keep(Add(step))

    async def _keep(self, change: Change) -> None:
        self._steps.append(change)
        if len(self._steps) >= TOGETHER:
            await self._write()

    async def _write(self) -> None:
        steps, self._steps = self._steps, []
        await self._beat(*steps, progress=self._plan.progress)

    async def _withdraw_deletions(self, why: str) -> None:
        self._plan.deletes = 0
        after = ""
        while page := await self._catalogue.steps(self._job.id, PAGE, after, planned=True):
            gone = [step for step in page if step.act is Act.DELETE]
            passed = [Swap(step, msgspec.structs.replace(step, state=StepState.PASSED, reason=why)) for step in gone]
            if passed:
                await self._beat(*passed, progress=self._plan.progress)
            after = page[-1].key


def _joined(earlier: Act, now: Act) -> Act:
    """What two steps of one job come to, seen from before the first: by that it is taken back."""
    if earlier is Act.CREATE and now is Act.REPLACE:
        return Act.CREATE
    return Act.REPLACE if now is Act.CREATE else now


def _place(identity: str) -> str:
    return identity.partition("\n")[0]


async def entries_of(catalogue: Catalogue, dest: str) -> AsyncIterator[list[Entry]]:
    """The manifest of a destination, in pages."""
    after = ""
    while entries := await catalogue.entries(dest, PAGE, after):
        yield list(entries)
        after = entries[-1].key


def memory_of(source: Tree, dest: Tree) -> str:
    """Under which name the manifest remembers what the source of a destination was."""
    return f"{dest.name}\nfrom {source.name}"


def spelled(key: str) -> str:
    """A key that can be shown and stored, whatever bytes the name has."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\0")
