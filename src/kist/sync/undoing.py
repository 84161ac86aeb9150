"""Plan how to take back what a job did: bring back what it put aside, remove what it made, leave what changed since."""

from __future__ import annotations

from kist.model.changes import Add, Clear
from kist.model.job import Act, Job, Step, StepState
from kist.model.trash import trash_of
from kist.ports.catalogue import Catalogue
from kist.ports.tree import Item, Tree
from kist.sync.planning import PAGE, Beat, Plan


class Undoer:
    """Makes the plan of one undo, out of the steps of the job that is taken back."""

    def __init__(self, catalogue: Catalogue, job: Job, dest: Tree, beat: Beat) -> None:
        self._catalogue = catalogue
        self._job = job
        self._dest = dest
        self._beat = beat

    async def make(self) -> Plan:
        """Write the steps down; how much there is to do."""
        undone, after, plan = self._job.options.undo_of or "", "", Plan()
        await self._beat(Clear(self._job.id), progress=plan.progress)
        while page := await self._catalogue.steps(undone, PAGE, after):
            after = page[-1].key
            made = [step for step in [await self._taken_back(step, undone) for step in page] if step is not None]
            plan.replaces += sum(step.act is Act.RESTORE for step in made)
            plan.deletes += sum(step.act is Act.DELETE for step in made)
            await self._beat(*map(Add, made), progress=plan.progress)
        return plan

    async def _taken_back(self, step: Step, undone: str) -> Step | None:
        """What takes one step back. A step that nothing was written down about may have been carried out as well."""
        if step.act is Act.NOTE:
            return None
        now = await self._dest.item(step.key)
        if step.act is Act.CREATE or (step.act is Act.RESTORE and step.before is None):
            if step.state is not StepState.DONE or now is None:
                return None
            mine = now.etag == step.after
            return self._step(step, Act.DELETE if mine else Act.NOTE, "made by that job" if mine else _CHANGED, now)
        kept = await self._dest.kept(trash_of(undone, step.key))
        if kept is None or (now is not None and step.state is not StepState.DONE and now.etag == step.before):
            return None
        foreign = now is not None and step.state is StepState.DONE and now.etag != step.after
        if foreign:
            return self._step(step, Act.NOTE, _CHANGED, now)
        return self._step(step, Act.RESTORE, f"{step.act.value}d by that job", now, kept)

    def _step(self, step: Step, act: Act, reason: str, now: Item | None, kept: Item | None = None) -> Step:
        return Step(
            job=self._job.id,
            key=step.key,
            act=act,
            reason=reason,
            size=step.size if kept is None else kept.size,
            source="" if kept is None else kept.etag,
            before=None if now is None else now.etag,
            state=StepState.PASSED if act is Act.NOTE else StepState.PLANNED,
        )


_CHANGED = "changed since: left alone"
