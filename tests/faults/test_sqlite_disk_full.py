"""A full disk: changes are refused at once, reads go on, and all is well again when there is room."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
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


async def test_a_full_disk_and_back(small_disk: Path) -> None:
    path, ballast = small_disk / "kist.db", small_disk / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    catalogue = await open_catalogue(path, FakeClock())
    made: list[File] = []
    refused: list[Exception] = []

    async def write() -> None:
        file, begun = a_file(), time.monotonic()
        try:
            await catalogue.commit(Add(file))
            made.append(file)
        except StoreFull as full:
            refused.append(full)
        assert time.monotonic() - begun < 1

    async def remove(file: File) -> None:
        begun = time.monotonic()
        await catalogue.commit(Swap(file, changed(file, state=FileState.REMOVED)), Add(a_doomed()), Add(an_entry()))
        assert time.monotonic() - begun < 1

    while len(refused) < 100:
        await asyncio.gather(*(write() for _ in range(20)))
    for file in made:
        assert await catalogue.file(file.id) == file
    assert (await catalogue.files(FileQuery(visible_to="ann", limit=10))).next is not None

    half = len(made) // 2
    for file in made[:half]:  # removing goes on, one after another and many at once
        await remove(file)
    await asyncio.gather(*map(remove, made[half:]))
    assert (await catalogue.files(FileQuery(visible_to="ann", limit=10))).items == ()
    assert len(await catalogue.doomed(START, 1000)) == min(len(made), 1000)

    refused.clear()
    ballast.unlink()  # somebody makes room, as the message says
    await asyncio.gather(*(write() for _ in range(20)))
    assert refused == []
    await catalogue.close()

    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {id for (id,) in database.execute("SELECT id FROM files")} == {file.id for file in made}
    database.close()
