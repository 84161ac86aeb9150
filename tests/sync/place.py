"""A Kist whose jobs are carried out by the test itself, with a folder beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kist.app import join, open_ports, threads
from kist.model.actor import Actor, Role
from kist.model.content import PutRules
from kist.model.job import Job, Step, SyncOptions
from kist.model.place import Place
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.system import SystemClock, SystemIds
from kist.working import Work

ROOT = Actor("root", Role.ADMIN)


async def one(data: bytes) -> Any:
    yield data


@dataclass
class Scene:
    """``folder`` is what is synced, ``bucket`` where to."""

    ports: Ports
    kist: Kist
    work: Work
    folder: Path
    bucket: str

    @property
    def dest(self) -> str:
        return f"{self.bucket}/copy"

    def write(self, key: str, data: bytes = b"data", *, age: float = 100.0) -> Path:
        """A file of the folder, so many seconds old."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        then = self.ports.clock.now().timestamp() - age
        os.utime(path, (then, then))
        return path

    async def put(self, key: str, data: bytes = b"data") -> None:
        """An object of the bucket, which nobody has synced."""
        await self.ports.store.put(Place(self.bucket, key), one(data), PutRules(size=len(data)))

    async def get(self, key: str) -> bytes:
        opened = await self.ports.store.open(Place(self.bucket, key))
        try:
            return b"".join([block async for block in opened.body])
        finally:
            await opened.close()

    async def keys(self, prefix: str = "copy/") -> list[str]:
        return [listed.key.removeprefix(prefix) async for listed in self.ports.store.list(self.bucket, prefix)]

    async def objects(self) -> dict[str, bytes]:
        """What lies at the destination, by key."""
        return {key: await self.get(f"copy/{key}") for key in await self.keys()}

    def files(self) -> dict[str, bytes]:
        """What lies in the folder, by key."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())
        keys = ((path.relative_to(self.folder).as_posix(), path) for path in found)
        return {key: path.read_bytes() for key, path in keys if not key.startswith(".kist/")}

    async def sync(self, source: str | None = None, dest: str | None = None, **options: Any) -> Job:
        """Start a job and carry it out."""
        job = await self.kist.jobs.start(ROOT, source or str(self.folder), dest or self.dest, SyncOptions(**options))
        return await self.carry_out(job)

    async def undo(self, job: Job) -> Job:
        return await self.carry_out(await self.kist.jobs.undo(ROOT, job.id))

    async def carry_out(self, job: Job, worker: str = "test") -> Job:
        lease = await self.work.claimed(job, worker)
        assert lease is not None
        return await self.work.carry_out(lease)

    async def steps(self, job: Job) -> list[Step]:
        return list(await self.kist.jobs.steps(ROOT, job.id, 1000))


async def scene(settings: Any, folder: Path) -> Scene:
    """A Kist of these settings beside ``folder``, which is there."""
    ports = await open_ports(settings, SystemClock(), SystemIds())
    return Scene(ports, join(ports), Work(ports, threads()), folder, ports.bucket)
