"""A process that sleeps through its lease and wakes up: others have ended its upload meanwhile, it must do no harm."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faults.rig.home import compose, disk_settings

from kist.chores.erase import erase
from kist.chores.expire import expire
from kist.errors import KistError
from kist.model.actor import Actor
from kist.model.upload import Intent, Repeat
from kist.service.kist import Kist
from kist.testing.checker import Folder, check
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.failpoints import Failpoints

ANN = Actor("ann")
OLD, NEW = b"old" * 1000, b"new" * 500_000
BORDERS = [
    "catalogue.commit:after:1",
    "store.put:before:1",
    "store.put:during:2",
    "store.put:after:1",
    "catalogue.commit:before:2",
]


class Sleeper(Failpoints):
    """Falls asleep at a border, counted from when it is armed; ``dream`` is what happens meanwhile."""

    def __init__(self, border: str, dream: Callable[[], Awaitable[None]]) -> None:
        super().__init__(FakeClock())
        self._point, _, time = border.rpartition(":")
        self._left = int(time)
        self._dream = dream
        self.armed = False
        self.slept = False

    async def reach(self, point: str) -> None:
        if self.armed and point == self._point:
            self._left -= 1
            if self._left == 0:
                self.slept = True
                await self._dream()


class Pair:
    """Two processes on one home: ``sleeper`` falls asleep at a border, ``other`` goes on with the chores."""

    sleeper: Kist
    other: Kist

    def __init__(self, home: Path, border: str) -> None:
        self.home = home
        self.clock = FakeClock()
        self.points = Sleeper(border, self.pass_time)

    async def start(self) -> None:
        self.other = await compose(disk_settings(self.home), clock=self.clock, ids=FakeIds("other"))
        self.sleeper = await compose(
            disk_settings(self.home), clock=self.clock, ids=FakeIds("sleeper"), points=self.points
        )

    async def pass_time(self) -> None:
        self.clock.advance(1000)
        await expire(self.other)
        await erase(self.other)

    async def end(self, log: list[dict[str, Any]]) -> list[str]:
        """Close both and say what the checker finds when the last deadline has passed."""
        await self.pass_time()
        await self.sleeper.close()
        await self.other.close()
        return check(self.home / "kist.sqlite", Folder(self.home / "objects"), log, settled=True)


async def body(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 250_000):
        yield data[start : start + 250_000]


def put_event(number: int, data: bytes) -> dict[str, Any]:
    return {"asked": number, "verb": "put", "name": "a", "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("border", BORDERS)
async def test_put(tmp_path: Path, border: str, repeats: bool) -> None:
    pair = Pair(tmp_path / "home", border)
    await pair.start()
    pair.points.armed = True
    log = [put_event(0, NEW)]
    repeat = Repeat("key", "fingerprint") if repeats else None
    try:
        file = await pair.sleeper.uploads.receive(ANN, Intent(name="a", repeat=repeat), body(NEW))
        log.append({"done": 0, "file": file.id})
    except KistError:
        log.append({"refused": 0})
    assert pair.points.slept
    assert await pair.end(log) == []


@pytest.mark.parametrize("border", BORDERS)
async def test_replace(tmp_path: Path, border: str) -> None:
    pair = Pair(tmp_path / "home", border)
    await pair.start()
    file = await pair.other.uploads.receive(ANN, Intent(name="a"), body(OLD))
    log = [put_event(0, OLD), {"done": 0, "file": file.id}]
    pair.points.armed = True
    log.append({"asked": 1, "verb": "replace", "file": file.id, "sha256": hashlib.sha256(NEW).hexdigest()})
    try:
        await pair.sleeper.uploads.replace(ANN, file.id, Intent(name=""), body(NEW))
        log.append({"done": 1, "file": file.id})
    except KistError:
        log.append({"refused": 1})
    assert pair.points.slept
    assert await pair.end(log) == []
