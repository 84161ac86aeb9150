"""Plan how to remove a whole bucket whose source is missing or empty: only if all in it was put there by syncs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from kist.errors import BucketNotEmpty, SourceMissing
from kist.model.changes import Add, Change, Clear
from kist.model.job import Act, Job, Progress, Step
from kist.ports.catalogue import Catalogue
from kist.ports.tree import Item, Tree, Trouble
from kist.sync.compare import decide_extra
from kist.sync.march import march
from kist.sync.planning import TOGETHER, Beat, Plan, entries_of

REMOVES = "bucket:"
"""How the digest of such a plan begins."""


@dataclass
class RemovalPlan(Plan):
    """``why``: what somebody has to say yes to first; empty when nobody has to."""

    why: str = ""

    def wants_confirmation(self, job: Job) -> str:
        return self.why


class Remover:
    """Makes the plan of one removal."""

    def __init__(self, catalogue: Catalogue, job: Job, dest: Tree, beat: Beat) -> None:
        self._catalogue = catalogue
        self._job = job
        self._dest = dest
        self._beat = beat

    async def make(self, gone: SourceMissing) -> RemovalPlan:
        """Write the steps down. ``BucketNotEmpty`` when anything there is not a sync's: then there are no steps."""
        steps: list[Change] = [Clear(self._job.id)]
        first, foreign, count, digest = "", 0, 0, hashlib.sha256()
        manifest = entries_of(self._catalogue, self._dest.name)
        async with aclosing(march(_nothing(), self._dest.items(), manifest)) as batches:
            async for met in (met async for batch in batches for met in batch):
                if met.dest is None:
                    continue
                decision = None if isinstance(met.dest, Trouble) else decide_extra(met.dest, met.entry)
                if decision is None or decision.act is not Act.DELETE or isinstance(met.dest, Trouble):
                    first, foreign = first or met.key, foreign + 1
                    continue
                count += 1
                digest.update(f"{met.key}\0{met.dest.etag}\n".encode())
                steps.append(Add(self._step(met.dest)))
                if len(steps) >= TOGETHER:
                    await self._beat(*steps, progress=Progress(deleted_total=count))
                    steps = []
        if foreign:
            await self._beat(Clear(self._job.id), progress=Progress())
            raise BucketNotEmpty(f"{gone.message}; its bucket is kept: {foreign} in it came by no sync, {first} first")
        progress = Progress(deleted_total=count)
        await self._beat(*steps, progress=progress)
        return RemovalPlan(deletes=count, digest=REMOVES + digest.hexdigest(), why=self._why(gone, count))

    def _why(self, gone: SourceMissing, count: int) -> str:
        if gone.about.get("moved"):
            return "the source is empty, and not the folder that was synced before: its bucket would be removed"
        if count > self._job.options.max_delete:
            return f"the bucket would be removed with {count} files, more than {self._job.options.max_delete}"
        return ""

    def _step(self, item: Item) -> Step:
        return Step(
            job=self._job.id,
            key=item.key,
            act=Act.DELETE,
            reason="its bucket is removed",
            size=item.size,
            modified=item.modified,
            source=item.etag,
            before=item.etag,
        )


async def _nothing() -> AsyncIterator[list[Item | Trouble]]:
    return
    yield
