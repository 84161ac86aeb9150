"""Bytes on their way to this machine, from a server that may lie, break off or begin elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from kist.cli import outcomes
from kist.cli.backend import Backend, Content
from kist.cli.exits import NeedsConfirmation
from kist.cli.fetching import fetch
from kist.cli.outcomes import Outcome, State
from kist.cli.targets import part_of
from kist.dialects.native.shapes import FileShape
from kist.errors import Corrupt, Unavailable

DATA = bytes(range(256)) * 40
DIGEST = sha256(DATA).hexdigest()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def shape(data: bytes) -> FileShape:
    return FileShape(
        "id", "a.bin", len(data), "x/y", sha256(data).hexdigest(), "me", "kist", "ready", "private", {}, NOW, NOW, 1
    )  # fmt: skip


class Source:
    """Hands out ``data`` from where it is asked to, or from ``always``; breaks off after ``breaks`` bytes, once."""

    def __init__(self, data: bytes, *, always: int | None = None, breaks: int | None = None) -> None:
        self.data = data
        self.always = always
        self.breaks = breaks
        self.asked: list[int] = []

    async def open(self, file: FileShape, start: int = 0) -> Content:
        self.asked.append(start)
        begin = start if self.always is None else self.always
        return Content(begin, self._body(begin))

    async def _body(self, start: int) -> AsyncIterator[bytes]:
        breaks, self.breaks = self.breaks, None
        for at in range(start, len(self.data), 1000):
            if breaks is not None and at - start >= breaks:
                raise Unavailable("the connection broke off")
            yield self.data[at : at + 1000]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause(seconds: float) -> None:
        pass

    monkeypatch.setattr(outcomes.tried, "__defaults__", (pause,))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "a.bin"


async def got(source: Source, target: Path, data: bytes = DATA, *, overwrite: bool = False) -> Outcome:
    kist = cast("Backend", source)
    return await fetch(kist, shape(data), target, lambda count: None, overwrite=overwrite)


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("data", [b"", b"x", DATA])
async def test_all_of_it_arrives_and_nothing_else(target: Path, data: bytes) -> None:
    outcome = await got(Source(data), target, data)
    assert outcome.state is State.DONE
    assert names(target.parent) == ["a.bin"]
    assert read(target) == data


async def test_what_broke_off_goes_on_where_it_stopped(target: Path) -> None:
    source = Source(DATA, breaks=3000)
    await got(source, target)
    assert source.asked == [0, 3000]
    assert read(target) == DATA


async def test_what_an_earlier_run_left_is_not_fetched_again(target: Path) -> None:
    target.parent.mkdir()
    write(part_of(target, DIGEST[:16]), DATA[:5000])
    source = Source(DATA)
    await got(source, target)
    assert source.asked == [5000]
    assert read(target) == DATA


async def test_a_server_that_begins_at_the_start_all_the_same(target: Path) -> None:
    target.parent.mkdir()
    write(part_of(target, DIGEST[:16]), DATA[:5500])
    await got(Source(DATA, always=0), target)
    assert read(target) == DATA


async def test_leftovers_that_are_wrong_are_thrown_away(target: Path) -> None:
    target.parent.mkdir()
    part = part_of(target, DIGEST[:16])
    write(part, b"?" * 5000)
    with pytest.raises(Corrupt):
        await got(Source(DATA), target)
    assert not part.exists()
    await got(Source(DATA), target)
    assert read(target) == DATA


@pytest.mark.parametrize("lie", [DATA[:-1], DATA + b"more", b"?" + DATA[1:]])
async def test_bytes_that_are_not_the_files_are_never_kept(target: Path, lie: bytes) -> None:
    with pytest.raises(Corrupt):
        await got(Source(lie), target)
    assert names(target.parent) == []


async def test_what_is_here_already_is_left_alone(target: Path) -> None:
    target.parent.mkdir()
    write(target, DATA)
    source = Source(DATA)
    assert (await got(source, target)).state is State.THERE
    assert source.asked == []


async def test_other_content_needs_a_yes(target: Path) -> None:
    target.parent.mkdir()
    write(target, b"mine")
    with pytest.raises(NeedsConfirmation):
        await got(Source(DATA), target)
    assert read(target) == b"mine"
    await got(Source(DATA), target, overwrite=True)
    assert read(target) == DATA


async def test_a_planted_link_beside_the_target_is_not_written_through(target: Path, tmp_path: Path) -> None:
    target.parent.mkdir()
    victim = tmp_path / "victim"
    write(victim, b"precious")
    part_of(target, DIGEST[:16]).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        await got(Source(DATA), target)
    assert read(victim) == b"precious"
