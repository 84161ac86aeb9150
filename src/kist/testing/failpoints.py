"""Points at which a process dies, hangs or meets an error, set from outside by a line of text.

A point is ``<port>.<method>:<moment>``, its moment ``before``, ``during`` (a block of a body passes) or ``after``
(done, but nobody told): ``store.put:during``, ``catalogue.commit:before``. A spec adds which time it is reached, from
1, and what then happens, ``kill`` (SIGKILL), ``raise`` or ``hang``: ``catalogue.commit:after:2:kill``. Several specs
are parted by commas. The wrappers let everything else pass.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from kist.errors import CatalogueBusy, Misconfigured, StoreUnavailable
from kist.model.changes import Change
from kist.model.file import File
from kist.model.query import FileQuery, Page
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Usage
from kist.model.upload import Upload
from kist.ports.catalogue import Catalogue
from kist.ports.store import ObjectStore
from kist.ports.system import Clock
from kist.testing.watched import Watch, watched

VARIABLE = "FAILPOINTS"
"""The environment variable that child processes of tests are given."""

_SPEC = re.compile(r"((?:store|catalogue)\.[a-z_]+:(?:before|during|after)):([1-9][0-9]*):(kill|raise|hang)")
_FOREVER = 3600.0


class What(StrEnum):
    KILL = "kill"
    RAISE = "raise"
    HANG = "hang"


class Failpoint(msgspec.Struct, frozen=True):
    """When ``point`` is reached for the ``time``-th time, ``what`` happens."""

    point: str
    time: int
    what: What


def read_specs(text: str) -> tuple[Failpoint, ...]:
    """The failpoints of a line of specs. ``Misconfigured`` names the one that cannot be read."""
    found = []
    for spec in filter(None, map(str.strip, text.split(","))):
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise Misconfigured(f"{spec!r} is no failpoint: write store.put:before:1:kill")
        found.append(Failpoint(match[1], int(match[2]), What(match[3])))
    return tuple(found)


class Failpoints:
    """Counts the points that are reached and lets happen what the specs say. ``hang`` waits by ``clock``."""

    def __init__(self, clock: Clock, *failpoints: Failpoint) -> None:
        self._clock = clock
        self._armed = failpoints
        self.reached: Counter[str] = Counter()

    @classmethod
    def from_environment(cls, clock: Clock) -> Failpoints:
        """Those of the variable ``FAILPOINTS``: none when it is not set."""
        return cls(clock, *read_specs(os.environ.get(VARIABLE, "")))

    async def reach(self, point: str) -> None:
        """The point is reached: mostly nothing happens."""
        self.reached[point] += 1
        for failpoint in self._armed:
            if (failpoint.point, failpoint.time) == (point, self.reached[point]):
                await self._happen(failpoint)

    async def _happen(self, failpoint: Failpoint) -> None:
        print(f"failpoint {failpoint.point}:{failpoint.time}:{failpoint.what}", file=sys.stderr, flush=True)
        if failpoint.what is What.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if failpoint.what is What.HANG:
            await self._clock.pause(_FOREVER)
        error = StoreUnavailable if failpoint.point.startswith("store.") else CatalogueBusy
        raise error(f"failpoint {failpoint.point}")


class _StorePoints(Watch):
    def __init__(self, failpoints: Failpoints, call: str) -> None:
        self._failpoints = failpoints
        self._call = call

    async def before(self) -> None:
        await self._failpoints.reach(f"store.{self._call}:before")

    async def during(self, block: bytes) -> None:
        await self._failpoints.reach(f"store.{self._call}:during")

    async def after(self) -> None:
        await self._failpoints.reach(f"store.{self._call}:after")


def pointed_store(store: ObjectStore, failpoints: Failpoints) -> Any:
    """``store`` with its abilities, reaching the points ``store.<method>:…``."""
    return watched(store, partial(_StorePoints, failpoints))


class PointedCatalogue:
    """A catalogue that reaches the points ``catalogue.<method>:before`` and ``:after``."""

    def __init__(self, catalogue: Catalogue, failpoints: Failpoints) -> None:
        self._catalogue = catalogue
        self._failpoints = failpoints

    async def file(self, file_id: str) -> File:
        async with self._call("file"):
            return await self._catalogue.file(file_id)

    async def files(self, query: FileQuery) -> Page[File]:
        async with self._call("files"):
            return await self._catalogue.files(query)

    async def upload(self, upload_id: str) -> Upload:
        async with self._call("upload"):
            return await self._catalogue.upload(upload_id)

    async def overdue(self, now: datetime, limit: int) -> tuple[Upload, ...]:
        async with self._call("overdue"):
            return await self._catalogue.overdue(now, limit)

    async def key(self, key_id: str) -> Key:
        async with self._call("key"):
            return await self._catalogue.key(key_id)

    async def keys(self) -> tuple[Key, ...]:
        async with self._call("keys"):
            return await self._catalogue.keys()

    async def usage(self, owner: str) -> Usage:
        async with self._call("usage"):
            return await self._catalogue.usage(owner)

    async def idempotency(self, actor: str, key: str) -> Idempotency | None:
        async with self._call("idempotency"):
            return await self._catalogue.idempotency(actor, key)

    async def old_idempotency(self, before: datetime, limit: int) -> tuple[Idempotency, ...]:
        async with self._call("old_idempotency"):
            return await self._catalogue.old_idempotency(before, limit)

    async def doomed(self, now: datetime, limit: int) -> tuple[Doomed, ...]:
        async with self._call("doomed"):
            return await self._catalogue.doomed(now, limit)

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        async with self._call("audit"):
            return await self._catalogue.audit(limit)

    async def commit(self, *changes: Change) -> None:
        async with self._call("commit"):
            await self._catalogue.commit(*changes)

    async def ping(self) -> None:
        async with self._call("ping"):
            await self._catalogue.ping()

    async def close(self) -> None:
        await self._catalogue.close()

    @asynccontextmanager
    async def _call(self, call: str) -> AsyncIterator[None]:
        await self._failpoints.reach(f"catalogue.{call}:before")
        yield
        await self._failpoints.reach(f"catalogue.{call}:after")
