"""Whatever is asked of a Kist on disk and SQLite, with crashes anywhere: it agrees with a dictionary.

A crash is the state of the home at one instant: it is copied between two calls that the service makes to its
adapters, or between two blocks of a body, and work goes on with the copy. After each restart the independent checker
looks at it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.faults.rig.home import compose, disk_settings

from kist.chores.erase import erase
from kist.chores.expire import expire
from kist.errors import FileMissing, Incomplete, Stale
from kist.model.actor import Actor
from kist.model.content import Span
from kist.model.file import File
from kist.model.names import fold
from kist.model.query import FileQuery, Sort
from kist.model.upload import Intent, Repeat
from kist.service.kist import Kist
from kist.testing.checker import Folder, check
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.failpoints import Failpoints

ANN = Actor("ann")
BLOCK = 300_000
QUICK = Path("/dev/shm")

T = TypeVar("T")
Shown = tuple[str, bytes] | None

names = st.sampled_from(["a", "B.txt", "übung.pdf", "a b/c", "日本", "x" * 200])
sizes = st.sampled_from([0, 7, 4096, BLOCK, 1_100_000, 1_900_000])
contents = st.builds(lambda size, seed: (f"{seed:07d}".encode() * (size // 7 + 1))[:size], sizes, st.integers(0, 999))
instants = st.sampled_from([None, None, None, *range(13)])
"""At which of the borders that an operation crosses the power goes out; None for none of them."""
picks = st.integers(0, 10_000)


RANKS: dict[Sort, Callable[[File], Any]] = {
    Sort.NAME: lambda file: file.name.encode(),
    Sort.SIZE: lambda file: file.size,
    Sort.CREATED: lambda file: file.created_at,
}


class Crash(BaseException):
    """The power goes out. Not an Exception: nothing may catch it."""


class Borders(Failpoints):
    """Tells of every border that the service crosses."""

    def __init__(self, reach: Callable[[], None]) -> None:
        super().__init__(FakeClock())
        self._reach = reach

    async def reach(self, point: str) -> None:
        self._reach()


class SenderLeft(Exception):
    """The body ends before its end."""


class Machine(RuleBasedStateMachine):
    """Kist beside a dictionary from ids to names and contents."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="kist-machine-", dir=QUICK if QUICK.is_dir() else None))
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.lives = 0
        self.keys = 0
        self.home = self.base / "0"
        self.countdown: int | None = None
        self.model: dict[str, tuple[str, bytes]] = {}
        self.gone: set[str] = set()
        self.kist: Kist

    def teardown(self) -> None:
        self.runner.run(self.kist.close())
        self.runner.close()
        shutil.rmtree(self.base)

    # Living and dying

    @initialize()
    def start(self) -> None:
        ids = FakeIds(str(self.lives))
        self.kist = self.runner.run(
            compose(disk_settings(self.home), clock=self.clock, ids=ids, points=Borders(self.reach))
        )

    def reach(self) -> None:
        if self.countdown is None:
            return
        if self.countdown == 0:
            self.countdown = None
            self.take_image()
            raise Crash
        self.countdown -= 1

    def take_image(self) -> None:
        """Copy the home as the disk holds it now. Nobody writes: the only operation stands still."""
        self.lives += 1
        shutil.copytree(self.home, self.base / str(self.lives), ignore=shutil.ignore_patterns("*-shm"))

    def wake_up(self) -> None:
        """Begin anew from the image; the old life may do what it wants with the old home."""
        self.runner.run(self.kist.close())
        shutil.rmtree(self.home)
        self.home = self.base / str(self.lives)
        self.start()

    @rule()
    def lose_power(self) -> None:
        self.take_image()
        self.wake_up()
        self.look_around()

    @rule()
    def restart(self) -> None:
        self.runner.run(self.kist.close())
        self.lives += 1
        self.home = self.home.rename(self.base / str(self.lives))
        self.start()
        self.look_around()

    @rule(seconds=st.sampled_from([1, 40, 125, 3700, 90_000]), instant=instants)
    def let_time_pass(self, seconds: int, instant: int | None) -> None:
        self.clock.advance(seconds)
        self.attempt(self.do_chores, instant)

    async def do_chores(self) -> None:
        await expire(self.kist)
        await erase(self.kist)

    def look_around(self) -> None:
        """After the deadlines of whatever was cut off, the checker finds nothing, and no bytes are left over."""
        self.violations()
        self.clock.advance(self.kist.limits.lease.total_seconds() + 1)
        self.runner.run(self.do_chores())
        self.violations(settled=True)

    def violations(self, *, settled: bool = False) -> None:
        log = [
            event
            for number, (file_id, (name, data)) in enumerate(self.model.items())
            for event in (
                {"asked": number, "verb": "put", "name": name, "sha256": hashlib.sha256(data).hexdigest()},
                {"done": number, "file": file_id},
            )
        ]
        found = Folder(self.home / "objects")
        assert check(self.home / "kist.sqlite", found, log, settled=settled) == []

    # What may be asked

    def attempt(self, operation: Callable[[], Coroutine[Any, Any, T]], instant: int | None) -> T | None:
        """Carry ``operation`` out; None when it was cut off and a new life has begun."""
        self.countdown = instant
        try:
            return self.runner.run(operation())
        except Crash:
            self.wake_up()
            return None
        finally:
            self.countdown = None

    async def body(self, data: bytes, *, leaves: bool = False) -> AsyncIterator[bytes]:
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK]
        if leaves:
            raise SenderLeft

    def pick(self, number: int) -> str:
        return sorted(self.model)[number % len(self.model)]

    @rule(name=names, data=contents, instant=instants, says_size=st.booleans())
    def put(self, name: str, data: bytes, instant: int | None, says_size: bool) -> None:
        intent = Intent(name=name, size=len(data) if says_size else None)
        file = self.attempt(lambda: self.kist.uploads.receive(ANN, intent, self.body(data)), instant)
        if file is None:
            self.adopt_new({(name, data)})
        else:
            self.model[file.id] = (name, data)

    @rule(name=names, data=contents, instant=instants)
    def put_until_done(self, name: str, data: bytes, instant: int | None) -> None:
        """With an idempotency key, however often it is asked: one file."""
        self.keys += 1
        repeat = Repeat(f"key-{self.keys}", "fingerprint")
        ask = partial(self.ask_repeatedly, Intent(name=name, repeat=repeat), data)
        file = self.attempt(ask, instant)
        if file is None:
            self.clock.advance(125)
            self.runner.run(self.do_chores())
            file = self.runner.run(ask())
        again = self.runner.run(ask())
        assert again.id == file.id
        self.model[file.id] = (name, data)

    async def ask_repeatedly(self, intent: Intent, data: bytes) -> File:
        return await self.kist.uploads.receive(ANN, intent, self.body(data))

    @rule(name=names, data=contents, short=st.booleans())
    def put_broken(self, name: str, data: bytes, short: bool) -> None:
        intent = Intent(name=name, size=len(data) + 1 if short else None)
        error = Incomplete if short else SenderLeft
        with pytest.raises(error):
            self.runner.run(self.kist.uploads.receive(ANN, intent, self.body(data, leaves=not short)))

    @precondition(lambda self: self.model)
    @rule(pick=picks, data=contents, instant=instants)
    def replace(self, pick: int, data: bytes, instant: int | None) -> None:
        file_id = self.pick(pick)
        name, before = self.model[file_id]
        intent = Intent(name="")
        file = self.attempt(lambda: self.kist.uploads.replace(ANN, file_id, intent, self.body(data)), instant)
        if file is None:
            self.adopt(file_id, (name, before), (name, data))
        else:
            self.model[file_id] = (name, data)

    @precondition(lambda self: self.model)
    @rule(pick=picks, data=contents)
    def replace_on_condition(self, pick: int, data: bytes) -> None:
        file_id = self.pick(pick)
        with pytest.raises(Stale):
            self.runner.run(
                self.kist.uploads.replace(ANN, file_id, Intent(name=""), self.body(data), only_if=lambda file: False)
            )

    @precondition(lambda self: self.model)
    @rule(pick=picks, name=names, instant=instants)
    def rename(self, pick: int, name: str, instant: int | None) -> None:
        file_id = self.pick(pick)
        before = self.model[file_id]
        if self.attempt(lambda: self.kist.files.change(ANN, file_id, name=name), instant) is None:
            self.adopt(file_id, before, (name, before[1]))
        else:
            self.model[file_id] = (name, before[1])

    @precondition(lambda self: self.model)
    @rule(pick=picks, instant=instants)
    def remove(self, pick: int, instant: int | None) -> None:
        file_id = self.pick(pick)
        lives = self.lives
        self.attempt(lambda: self.kist.files.remove(ANN, file_id), instant)
        if self.lives != lives:
            self.adopt(file_id, self.model[file_id], None)
        else:
            del self.model[file_id]
            self.gone.add(file_id)

    def adopt(self, file_id: str, *may_be: Shown) -> None:
        """After a crash a file is as it was or as it was to be, and stays so."""
        shown = self.runner.run(self.shown(file_id))
        assert shown in may_be
        if shown is None:
            del self.model[file_id]
            self.gone.add(file_id)
        else:
            self.model[file_id] = shown

    def adopt_new(self, may_be: set[tuple[str, bytes]]) -> None:
        """After a crash a new file is there wholly or not at all."""
        for file in self.listed():
            if file.id not in self.model:
                shown = self.runner.run(self.shown(file.id))
                assert shown in may_be
                may_be.remove(shown)
                self.model[file.id] = shown

    # What may be seen

    async def shown(self, file_id: str, span: Span | None = None) -> Shown:
        try:
            file = await self.kist.files.get(ANN, file_id)
        except FileMissing:
            return None
        opened = await self.kist.downloads.open(ANN, file, span)
        try:
            return file.name, b"".join([block async for block in opened.body])
        finally:
            await opened.close()

    def listed(self, **query: Any) -> list[File]:
        found: list[File] = []
        after = None
        while True:
            page = self.runner.run(self.kist.files.page(ANN, FileQuery(limit=3, after=after, **query)))
            found += page.items
            after = page.next
            if after is None:
                return found

    @precondition(lambda self: self.model)
    @rule(pick=picks)
    def read(self, pick: int) -> None:
        file_id = self.pick(pick)
        assert self.runner.run(self.shown(file_id)) == self.model[file_id]

    @precondition(lambda self: self.model)
    @rule(pick=picks, start=st.integers(0, 1_900_000), length=st.integers(1, 500_000))
    def read_range(self, pick: int, start: int, length: int) -> None:
        file_id = self.pick(pick)
        name, data = self.model[file_id]
        if data:
            span = Span(start % len(data), min(start % len(data) + length, len(data)))
            assert self.runner.run(self.shown(file_id, span)) == (name, data[span.start : span.stop])

    @precondition(lambda self: self.gone)
    @rule(pick=picks)
    def read_removed(self, pick: int) -> None:
        file_id = sorted(self.gone)[pick % len(self.gone)]
        assert self.runner.run(self.shown(file_id)) is None
        with pytest.raises(FileMissing):
            self.runner.run(self.kist.files.change(ANN, file_id, name="back"))

    @rule(sort=st.sampled_from(Sort), descending=st.booleans(), text=st.sampled_from([None, "A", "x", "BUNG"]))
    def list_files(self, sort: Sort, descending: bool, text: str | None) -> None:
        expected = {
            file_id: (name, len(data))
            for file_id, (name, data) in self.model.items()
            if text is None or fold(text) in fold(name)
        }
        found = self.listed(sort=sort, descending=descending, text=text)
        assert {file.id: (file.name, file.size) for file in found} == expected
        assert len(found) == len(expected)
        ranks = [RANKS[sort](file) for file in found]
        assert ranks == sorted(ranks, reverse=descending)


def profile(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def test_agrees_with_a_dictionary() -> None:
    run_state_machine_as_test(Machine, settings=profile(100, derandomize=True, database=None))


@pytest.mark.slow
def test_agrees_with_a_dictionary_for_long() -> None:
    run_state_machine_as_test(Machine, settings=profile(int(os.environ.get("MACHINE_EXAMPLES", "3000"))))
