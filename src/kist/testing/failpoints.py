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
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from kist.errors import CatalogueBusy, Misconfigured, StoreUnavailable
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


def pointed_catalogue(catalogue: Catalogue, failpoints: Failpoints) -> Any:
    """``catalogue`` reaching the points ``catalogue.<method>:before`` and ``:after``."""
    return _PointedCatalogue(catalogue, failpoints)


class _PointedCatalogue:
    """Every method of the port, with its two points."""

    def __init__(self, catalogue: Catalogue, failpoints: Failpoints) -> None:
        self._catalogue = catalogue
        self._failpoints = failpoints

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._catalogue, name)

        async def call(*args: Any, **more: Any) -> Any:
            await self._failpoints.reach(f"catalogue.{name}:before")
            answer = await method(*args, **more)
            await self._failpoints.reach(f"catalogue.{name}:after")
            return answer

        return method if name == "close" else call
