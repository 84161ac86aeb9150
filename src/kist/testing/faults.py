"""Stores that fail as real ones do, by a script or by chance with a seed.

faults = Faults(clock, Fault(Kind.DOWN, "put", times=2), Fault(Kind.SLOW, seconds=30))
store = faulty(MemoryStore(clock, ids), faults)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from kist.errors import StoreFull, StoreUnavailable
from kist.model.content import Listed, PartRef, Stored
from kist.ports.store import ObjectStore
from kist.ports.system import Clock
from kist.testing.watched import Watch, watched

T = TypeVar("T")

_WRITING = frozenset({"put", "copy", "start_parts", "put_part", "finish_parts", "make_bucket"})


class Kind(StrEnum):
    """How a call goes wrong."""

    DOWN = "down"
    """It is not made: ``StoreUnavailable``."""
    LOST = "lost"
    """It is made, but the answer is lost: ``StoreUnavailable`` all the same."""
    CUT = "cut"
    """The body breaks off after its first block: ``StoreUnavailable``."""
    SLOW = "slow"
    """It takes ``seconds`` longer."""
    FULL = "full"
    """What needs room gets ``StoreFull``; all else is served."""
    LYING = "lying"
    """It is made, and the answer names one byte too many and an empty etag."""


class Fault(msgspec.Struct, frozen=True):
    """The next ``times`` calls named ``call`` (any, when empty; for ever, when ``times`` is None) go wrong."""

    kind: Kind
    call: str = ""
    times: int | None = 1
    seconds: float = 1.0


class Faults:
    """The faults still to come. At most one meets a call: the first in the list that fits."""

    def __init__(self, clock: Clock, *script: Fault) -> None:
        self._clock = clock
        self._script = list(script)
        self._chance: tuple[random.Random, float, Sequence[Kind]] | None = None
        self.met: list[tuple[str, Kind]] = []
        """Which calls went wrong, and how."""

    @classmethod
    def seeded(cls, clock: Clock, seed: int, rate: float, kinds: Sequence[Kind] = tuple(Kind)) -> Faults:
        """Let each call go wrong with the chance ``rate``, in the same way for the same seed and calls."""
        faults = cls(clock)
        faults._chance = (random.Random(seed), rate, kinds)
        return faults

    def add(self, *script: Fault) -> None:
        """Let more go wrong."""
        self._script += script

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self._script.clear()
        self._chance = None

    def meet(self, call: str) -> Watch:
        """Who watches the next call of this name."""
        fault = self._next(call)
        if fault is None:
            return Watch()
        self.met.append((call, fault.kind))
        return _Failing(fault, self._clock)

    def _next(self, call: str) -> Fault | None:
        for index, fault in enumerate(self._script):
            if fault.call in ("", call) and _can_meet(fault.kind, call):
                self._use(index)
                return fault
        if self._chance is not None:
            source, rate, kinds = self._chance
            kind = source.choice(kinds)
            if source.random() < rate and _can_meet(kind, call):
                return Fault(kind, call)
        return None

    def _use(self, index: int) -> None:
        fault = self._script[index]
        if fault.times is None:
            return
        if fault.times > 1:
            self._script[index] = msgspec.structs.replace(fault, times=fault.times - 1)
        else:
            del self._script[index]


class _Failing(Watch):
    """Lets one call go wrong."""

    def __init__(self, fault: Fault, clock: Clock) -> None:
        self._fault = fault
        self._clock = clock
        self._passed = 0

    async def before(self) -> None:
        if self._fault.kind is Kind.DOWN:
            raise StoreUnavailable("the store is down")
        if self._fault.kind is Kind.FULL:
            raise StoreFull("the store is full")
        if self._fault.kind is Kind.SLOW:
            await self._clock.pause(self._fault.seconds)

    async def during(self, block: bytes) -> None:
        if self._fault.kind is Kind.CUT and self._passed:
            raise StoreUnavailable("the connection to the store broke")
        self._passed += 1

    async def after(self) -> None:
        if self._fault.kind is Kind.LOST:
            raise StoreUnavailable("the store's answer was lost")

    def answer(self, value: T) -> T:
        if self._fault.kind is Kind.LYING and isinstance(value, Stored | Listed | PartRef):
            return msgspec.structs.replace(value, size=value.size + 1, etag="")
        return value


def faulty(store: ObjectStore, faults: Faults) -> Any:
    """``store`` with its abilities, going wrong as ``faults`` say."""
    return watched(store, faults.meet)


def _can_meet(kind: Kind, call: str) -> bool:
    if kind is Kind.FULL:
        return call in _WRITING
    return kind is not Kind.CUT or call in ("put", "open")
