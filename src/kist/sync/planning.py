"""Make the plan: what to do about every key, written down before anything is done."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec

from kist.errors import SourceMissing
from kist.model.changes import Add, Change, Clear, Swap
from kist.model.job import Act, Entry, Job, Progress, Step, StepState
from kist.ports.catalogue import Catalogue
from kist.ports.tree import Item, Tree, Trouble
from kist.sync.compare import Decision, decide, decide_extra
from kist.sync.march import Met, march
from kist.sync.patterns import Patterns

PAGE = 1000
TOGETHER = 500
SEEN = 10_000
"""After so many keys a sign of life is due, even when nothing is to be done about any of them."""
MOST_NOTES = 1000
FEW = 20
"""Files below which a share of them says nothing."""

Beat = Callable[..., Awaitable[None]]
SameBytes = Callable[[Item, Item], Awaitable[bool]]


@dataclass
class Plan:
    """What a plan comes to. ``empty``: the source has nothing at all; ``hidden``: part of it could not be seen."""

    creates: int = 0
    replaces: int = 0
    deletes: int = 0
    bytes: int = 0
    unchanged: int = 0
    managed: int = 0
    notes: int = 0
    hidden: str = ""
    empty: bool = True
    identity: str = ""
    moved: bool = False
    digest: str = ""
    _hash: object = field(default_factory=hashlib.sha256)

    @property
    def progress(self) -> Progress:
        return Progress(
            files_total=self.creates + self.replaces,
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
        self, catalogue: Catalogue, job: Job, source: Tree, dest: Tree, beat: Beat, same_bytes: SameBytes
    ) -> None:
        self._catalogue = catalogue
        self._job = job
        self._source = source
        self._dest = dest
        self._beat = beat
        self._same_bytes = same_bytes
        self._patterns = Patterns(job.options.include, job.options.exclude)
        self._steps: list[Change] = [Clear(job.id)]
        self._plan = Plan()
        self._digest = hashlib.sha256()

    async def make(self) -> Plan:
        """Walk both sides and write the steps. ``SourceMissing``; what cannot be listed to its end raises."""
        plan = self._plan
        plan.identity = await self._source.identity()
        remembered = await self._remembered()
        plan.moved = remembered is not None and remembered != plan.identity
        async with aclosing(march(self._source.items(), self._dest.items(), self._manifest())) as batches:
            seen = 0
            async for batch in batches:
                for met in batch:
                    if (unsure := self._take(met)) is not None:
                        await self._compare(*unsure)
                seen += len(batch)
                if len(self._steps) >= TOGETHER or seen >= SEEN:
                    seen = 0
                    await self._write()
        await self._write()
        if plan.deletes and (plan.empty or plan.hidden):
            why = plan.hidden or "the source is empty"
            await self._withdraw_deletions(f"{why}: nothing is deleted")
        if plan.empty and self._job.options.delete:
            raise SourceMissing("the source is empty: a sync that deletes takes that for a mistake")
        plan.digest = self._digest.hexdigest()
        return plan

    async def _remembered(self) -> str | None:
        """The identity of the folder that was synced to this destination before."""
        first = await self._catalogue.entries(memory_of(self._source, self._dest), 1)
        return first[0].etag if first else None

    async def _manifest(self) -> AsyncIterator[list[Entry]]:
        after = ""
        while entries := await self._catalogue.entries(self._dest.name, PAGE, after):
            yield list(entries)
            after = entries[-1].key

    def _take(self, met: Met) -> tuple[Item, Item] | None:
        """Decide about one key. Returns the two sides where their bytes have to be compared first."""
        plan, source, dest = self._plan, met.source, met.dest
        if isinstance(source, Trouble):
            self._note(source)
            return None
        if isinstance(dest, Trouble):
            self._note(dest)
            return None
        if source is not None:
            plan.empty = False
        if not self._patterns.wants(met.key):
            return None
        if met.entry is not None and dest is not None:
            plan.managed += 1
        if source is not None:
            decision = decide(source, dest, met.entry, self._job.options.compare)
            if decision.digest and dest is not None:
                return source, dest
            self._add(decision, source, dest)
        elif dest is not None and self._job.options.delete:
            decision = decide_extra(dest, met.entry)
            if decision.act is not Act.NOTE or plan.notes < MOST_NOTES:
                self._add(decision, dest, dest)
        return None

    async def _compare(self, source: Item, dest: Item) -> None:
        same = await self._same_bytes(source, dest)
        self._add(Decision(None, "the same bytes") if same else Decision(Act.REPLACE, "other bytes"), source, dest)

    def _add(self, decision: Decision, item: Item, dest: Item | None) -> None:
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
        if act is not Act.NOTE:
            self._digest.update(f"{act.value}\0{item.key}\0{item.size}\0{item.etag}\0{before}\n".encode())
        state = StepState.PASSED if act is Act.NOTE else StepState.PLANNED
        step = Step(
            job=self._job.id,
            key=item.key,
            act=act,
            reason=decision.reason,
            size=item.size,
            modified=item.modified,
            source=item.etag,
            before=before,
            state=state,
        )
        self._steps.append(Add(step))

    def _note(self, trouble: Trouble) -> None:
        if trouble.hides and not self._plan.hidden:
            self._plan.hidden = f"{spelled(trouble.key)} {trouble.reason}"
        if not trouble.hides:
            self._plan.empty = False
        if self._plan.notes < MOST_NOTES:
            self._plan.notes += 1
            state = StepState.FAILED if trouble.hides else StepState.PASSED
            error = trouble.reason if trouble.hides else None
            key = spelled(trouble.key)
            step = Step(job=self._job.id, key=key, act=Act.NOTE, reason=trouble.reason, state=state, error=error)
            self._steps.append(Add(step))

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


def memory_of(source: Tree, dest: Tree) -> str:
    """Under which name the manifest remembers what the source of a destination was."""
    return f"{dest.name}\nfrom {source.name}"


def spelled(key: str) -> str:
    """A key that can be shown and stored, whatever bytes the name has."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\0")
