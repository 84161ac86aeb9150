"""What goes wrong with a sync, and how to tell that nothing was lost by it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.sync.place import ROOT, Scene

from kist.app import threads
from kist.errors import LeaseLost
from kist.model.changes import Keep, Swap
from kist.model.content import Listed
from kist.model.job import Act, Job, JobState, SyncOptions
from kist.sync import journal
from kist.testing.watched import Watch, watched
from kist.working import Work

Hook = Callable[[Job], Awaitable[object]]
MANY = 30


def fill(here: Scene, many: int = MANY) -> None:
    """``00`` to ``29``, every third of them in a folder."""
    for number in range(many):
        here.write(f"{number:02}" if number % 3 else f"sub/{number:02}", b"content %d" % number)


async def filled(here: Scene, many: int = MANY) -> dict[str, bytes]:
    """A folder of many files, synced; one object beside them that is not of a sync. What lies there now."""
    fill(here, many)
    await here.put("copy/foreign", b"not of a sync")
    job = await here.sync()
    assert job.state is JobState.SUCCEEDED, job.reason
    return await here.objects()


async def check_nothing_lost(here: Scene, before: dict[str, bytes]) -> None:
    """Every object lies where it lay, or its bytes lie in the trash."""
    now = await here.objects()
    trash = [(key, await here.get(f".kist/trash/{key}")) for key in await here.keys(".kist/trash/")]
    for key, data in before.items():
        put_aside = any(name.endswith(f"/{key}") and kept == data for name, kept in trash)
        assert now.get(key) == data or put_aside, f"{key} is lost"


def over(here: Scene, store: Any) -> Scene:
    """The same place, whose jobs are carried out over ``store``."""
    ports = dataclasses.replace(here.ports, store=store)
    return dataclasses.replace(here, work=Work(ports, threads()))


def lists_through(here: Scene, change: Callable[[str, AsyncIterator[Listed]], AsyncIterator[Listed]]) -> Scene:
    """The same place, whose listings are changed on their way. ``change`` is told the prefix."""
    return over(here, _Lists(here.ports.store, change))


class _Lists:
    def __init__(self, store: Any, change: Any) -> None:
        self._store = store
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        changed: AsyncIterator[Listed] = self._change(prefix, self._store.list(bucket, prefix, after))
        return changed


def on_call(here: Scene, call: str, hook: Callable[[int], Awaitable[object]]) -> Scene:
    """The same place; before the store is asked for ``call``, ``hook`` is told how often that was."""
    count = 0

    class Hooked(Watch):
        async def before(self) -> None:
            nonlocal count
            count += 1
            await hook(count)

    return over(here, watched(here.ports.store, lambda name: Hooked() if name == call else Watch()))


class Gate:
    """A lease that lets something happen when the job goes on to ``state``."""

    def __init__(self, lease: Any, state: JobState, hook: Hook) -> None:
        self._lease = lease
        self._state = state
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lease, name)

    async def move(self, state: JobState, *changes: Any, **more: Any) -> None:
        await self._lease.move(state, *changes, **more)
        if state is self._state:
            await self._hook(self._lease.job)


class Dying:
    """A lease whose worker is killed before it writes down the first outcome."""

    def __init__(self, lease: Any) -> None:
        self._lease = lease

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lease, name)

    async def beat(self, *changes: Any, **more: Any) -> None:
        if any(isinstance(change, Keep) for change in changes):
            raise LeaseLost("killed")
        await self._lease.beat(*changes, **more)


async def killed(here: Scene, job: Job) -> Job:
    """The job, whose worker was killed when it had sent its files and written down nothing of it."""
    lease = await here.work.claimed(job, "killed")
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(journal, "BEAT", 3600.0)  # a beat would kill it when some are sent
        with pytest.raises(LeaseLost):
            await here.work.carry_out(Dying(lease))
    return await here.ports.catalogue.job(job.id)


async def sync_with(
    here: Scene,
    hook: Hook,
    source: str | None = None,
    dest: str | None = None,
    *,
    at: JobState = JobState.RUNNING,
    **o: Any,
) -> Job:
    """A sync in whose middle something happens: after the plan is made, unless ``at`` says otherwise."""
    job = await here.kist.jobs.start(ROOT, source or str(here.folder), dest or here.dest, SyncOptions(**o))
    lease = await here.work.claimed(job, "test")
    assert lease is not None
    return await here.work.carry_out(Gate(lease, at, hook))


async def take_over(here: Scene, job_id: str) -> None:
    """Another worker claims the job, as after a lease that ran out."""
    job = await here.ports.catalogue.job(job_id)
    taken = msgspec.structs.replace(job, fence=job.fence + 1, worker="another")
    await here.ports.catalogue.commit(Swap(job, taken))


async def resumed(here: Scene, job_id: str) -> Job:
    """The job, carried on by another worker once the first is taken for dead."""
    job = await here.ports.catalogue.job(job_id)
    dead = msgspec.structs.replace(job, worker=None, lease_until=None)
    await here.ports.catalogue.commit(Swap(job, dead))
    return await here.carry_out(await here.ports.catalogue.job(job_id), "another")


def remove(here: Scene, *keys: str) -> None:
    """Files go from the folder."""
    for key in keys:
        (here.folder / key).unlink()


async def notes(here: Scene, job: Job, act: Act) -> dict[str, str]:
    """What the job says of its steps of this kind, by key."""
    return {step.key: step.error or step.reason for step in await here.steps(job) if step.act is act}
