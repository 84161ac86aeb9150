"""A full disk: changes are refused at once, reads go on, and all is well again when there is room."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Iterable, Iterator
from pathlib import Path

import pytest

from kist.catalogues.sqlite import open_catalogue
from kist.errors import StoreFull
from kist.model.changes import Add, Swap
from kist.model.file import File, FileState
from kist.model.query import FileQuery
from kist.testing.catalogue_samples import a_doomed, a_file, an_entry, changed
from kist.testing.clock import START, FakeClock


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


async def in_time(rounds: Iterable[Iterable[Awaitable[None]]]) -> None:
    """Await all of each round at once, and demand that they end soon; of a round that the machine stood still in, that
    they end before any wait for a lock would."""
    took = []
    for each in rounds:
        begun = time.monotonic()
        await asyncio.gather(*each)
        took.append(time.monotonic() - begun)
    assert sorted(took)[len(took) // 2] < 1
    assert max(took) < 5


async def test_a_full_disk_and_back(small_disk: Path) -> None:
    path, ballast = small_disk / "kist.db", small_disk / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    catalogue = await open_catalogue(path, FakeClock())
    made: list[File] = []
    refused: list[Exception] = []

    async def write() -> None:
        file = a_file()
        try:
            await catalogue.commit(Add(file))
            made.append(file)
        except StoreFull as full:
            refused.append(full)

    async def remove(file: File) -> None:
        await catalogue.commit(Swap(file, changed(file, state=FileState.REMOVED)), Add(a_doomed()), Add(an_entry()))

    def writes() -> Iterator[list[Awaitable[None]]]:
        while len(refused) < 100:
            yield [write() for _ in range(20)]

    await in_time(writes())
    for file in made:
        assert await catalogue.file(file.id) == file
    assert (await catalogue.files(FileQuery(visible_to="ann", limit=10))).next is not None

    half = len(made) // 2
    await in_time([remove(file)] for file in made[:half])  # removing goes on, one after another and many at once
    await in_time(map(remove, made[half + each :: 5]) for each in range(5))
    assert (await catalogue.files(FileQuery(visible_to="ann", limit=10))).items == ()
    assert len(await catalogue.doomed(START, 1000)) == min(len(made), 1000)

    refused.clear()
    ballast.unlink()  # somebody makes room, as the message says
    await in_time([write() for _ in range(20)] for _ in range(3))
    assert refused == []
    await catalogue.close()

    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {id for (id,) in database.execute("SELECT id FROM files")} == {file.id for file in made}
    database.close()
