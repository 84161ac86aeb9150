"""Bytes on their way to this machine, from a server that may lie, break off or begin elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from kist.cli import outcomes
from kist.cli.backend import Content
from kist.cli.exits import NeedsConfirmation
from kist.cli.fetching import fetch
from kist.cli.outcomes import State
from kist.cli.targets import part_of
from kist.dialects.native.shapes import FileShape
from kist.errors import Corrupt, Unavailable

DATA = bytes(range(256)) * 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def shape(data: bytes, digest: str | None = None, size: int | None = None) -> FileShape:
    return FileShape(
        "id", "a.bin", len(data) if size is None else size, "x/y", digest or sha256(data).hexdigest(), "me", "kist",
        "ready", "private", {}, NOW, NOW, 1,
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
def no_pauses(monkeypatch):
    async def pause(seconds: float) -> None:
        pass

    monkeypatch.setattr(outcomes.tried, "__defaults__", (pause,))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "a.bin"


def got(source, target, data=DATA, *, overwrite=False, digest=None, size=None):
    return fetch(source, shape(data, digest, size), target, lambda count: None, overwrite=overwrite)


@pytest.mark.parametrize("data", [b"", b"x", DATA])
async def test_all_of_it_arrives_and_nothing_else(target, data):
    outcome = await got(Source(data), target, data)
    assert outcome.state is State.DONE
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]
    assert target.read_bytes() == data


async def test_what_broke_off_goes_on_where_it_stopped(target):
    source = Source(DATA, breaks=3000)
    await got(source, target)
    assert source.asked == [0, 3000]
    assert target.read_bytes() == DATA


async def test_what_an_earlier_run_left_is_not_fetched_again(target):
    target.parent.mkdir()
    part_of(target, shape(DATA).sha256[:16]).write_bytes(DATA[:5000])
    source = Source(DATA)
    await got(source, target)
    assert source.asked == [5000]
    assert target.read_bytes() == DATA


async def test_a_server_that_begins_at_the_start_all_the_same(target):
    target.parent.mkdir()
    part_of(target, shape(DATA).sha256[:16]).write_bytes(DATA[:5500])
    await got(Source(DATA, always=0), target)
    assert target.read_bytes() == DATA


async def test_leftovers_that_are_wrong_are_thrown_away(target):
    target.parent.mkdir()
    part = part_of(target, shape(DATA).sha256[:16])
    part.write_bytes(b"?" * 5000)
    with pytest.raises(Corrupt):
        await got(Source(DATA), target)
    assert not part.exists()
    await got(Source(DATA), target)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("lie", [DATA[:-1], DATA + b"more", b"?" + DATA[1:]])
async def test_bytes_that_are_not_the_files_are_never_kept(target, lie):
    with pytest.raises(Corrupt):
        await got(Source(lie), target)
    assert list(target.parent.iterdir()) == []


async def test_what_is_here_already_is_left_alone(target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    source = Source(DATA)
    assert (await got(source, target)).state is State.THERE
    assert source.asked == []


async def test_other_content_needs_a_yes(target):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(NeedsConfirmation):
        await got(Source(DATA), target)
    assert target.read_bytes() == b"mine"
    await got(Source(DATA), target, overwrite=True)
    assert target.read_bytes() == DATA


async def test_a_planted_link_beside_the_target_is_not_written_through(target, tmp_path):
    target.parent.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    part_of(target, shape(DATA).sha256[:16]).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        await got(Source(DATA), target)
    assert victim.read_bytes() == b"precious"
