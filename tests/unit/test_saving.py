"""The folder that files are saved to: whole files under plain names, and nothing outside of it."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kist.app import threads
from kist.errors import BadName, StoreFull, StoreRefused
from kist.saving import SavingFolder
from kist.testing.clock import FakeIds


async def blocks(*data: bytes) -> AsyncIterator[bytes]:
    for block in data:
        yield block


def held(folder: Path) -> dict[str, bytes]:
    """The files there, with their bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def save(folder: Path, name: str, *data: bytes) -> str:
    return await SavingFolder(folder, threads(), FakeIds()).save(name, blocks(*data))


async def test_a_file_is_saved_and_replaced(tmp_path: Path) -> None:
    for data in ((b"one", b"two"), (b"shorter",), ()):
        assert await save(tmp_path, "日本語 a.txt", *data) == f"{tmp_path}/日本語 a.txt"
        assert (tmp_path / "日本語 a.txt").read_bytes() == b"".join(data)
    assert len(held(tmp_path)) == 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", ".hidden", "a\0b", "a\nb", "x" * 256, "é" * 128]
)
async def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadName):
        await save(tmp_path / "in", name, b"x")
    assert held(tmp_path) == held(tmp_path / "in") == {}


async def test_a_body_that_breaks_leaves_the_file_before(tmp_path: Path) -> None:
    await save(tmp_path, "a.txt", b"before")

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise StoreRefused("the store broke off")

    with pytest.raises(StoreRefused, match="broke off"):
        await SavingFolder(tmp_path, threads(), FakeIds()).save("a.txt", broken())
    assert held(tmp_path) == {"a.txt": b"before"}


async def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"untouched")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").symlink_to(tmp_path / "outside")
    await save(folder, "a.txt", b"saved")
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert (folder / "a.txt").read_bytes() == b"saved"


async def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    ids = FakeIds()
    folder = SavingFolder(tmp_path, threads(), ids)
    bodies = [bytes([65 + number]) * 100_000 for number in range(8)]
    await asyncio.gather(*(folder.save("a.txt", blocks(*[body[:50_000]] * 2)) for body in bodies))
    assert (tmp_path / "a.txt").read_bytes() in bodies
    assert len(held(tmp_path)) == 1


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFull):
        await save(tmp_path, "a.txt", b"x")
    monkeypatch.undo()
    assert held(tmp_path) == {}


async def test_a_folder_that_is_gone_or_taken(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused):
        await save(tmp_path / "gone", "a.txt", b"x")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreRefused):
        await save(tmp_path, "taken", b"x")
    assert held(tmp_path) == {}
