"""Other processes at the same database: they are waited for, up to a limit, and never show through."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sqlite import open_catalogue
from kist.errors import CatalogueBusy, FileMissing
from kist.model.changes import Add
from kist.model.query import FileQuery
from kist.testing.catalogue_samples import a_file
from kist.testing.clock import FakeClock

ATTEMPTS = 4
"""At what a pause of the machine spoils: a promise about time is kept if it is kept once."""

HOLD_SQLITE = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(600)
"""
HOLD_TURN = """
import fcntl, sys, time
lock = open(sys.argv[1] + ".lock", "r+")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""
WRITE = """
import asyncio, sys, time
from pathlib import Path
from kist.catalogues.sqlite import open_catalogue
from kist.model.changes import Add, Count, Counter
from kist.system import SystemClock, SystemIds
from kist.testing.catalogue_samples import a_file

async def main():
    catalogue = await open_catalogue(Path(sys.argv[1]), SystemClock())
    ids, made, slowest = SystemIds(), 0, 0.0
    until = time.monotonic() + float(sys.argv[2])
    async def write():
        nonlocal made, slowest
        while time.monotonic() < until:
            begun = time.monotonic()
            await catalogue.commit(Add(a_file(id=ids.uuid())), Count(owner="ann", counter=Counter.FILES, by=1))
            slowest = max(slowest, time.monotonic() - begun)
            made += 1
    await asyncio.gather(*(write() for _ in range(16)))
    await catalogue.close()
    print(made, slowest)

asyncio.run(main())
"""


async def start(script: str, path: Path, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), *more, stdout=asyncio.subprocess.PIPE
    )


@asynccontextmanager
async def holding(script: str, path: Path) -> AsyncIterator[None]:
    """Another process holds a lock for the length of the block."""
    process = await start(script, path)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        yield
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kist.db"


@pytest.fixture
async def catalogue(path: Path) -> AsyncIterator[SqlCatalogue]:
    catalogue = await open_catalogue(path, FakeClock())
    yield catalogue
    await catalogue.close()


@pytest.mark.parametrize("script", [HOLD_SQLITE, HOLD_TURN], ids=["sqlite", "turn"])
async def test_a_lock_of_three_seconds_is_waited_for(catalogue: SqlCatalogue, path: Path, script: str) -> None:
    for _ in range(ATTEMPTS):
        begun = time.monotonic()
        files = [a_file() for _ in range(20)]
        async with holding(script, path):
            commits = [asyncio.ensure_future(catalogue.commit(Add(file))) for file in files]
            await asyncio.sleep(3)
            assert not any(commit.done() and commit.exception() is None for commit in commits)
        outcomes = await asyncio.gather(*commits, return_exceptions=True)
        if outcomes == [None] * 20 and time.monotonic() - begun < 8:
            break
    else:
        pytest.fail(f"it is not waited for: {outcomes}")
    for file in files:
        assert await catalogue.file(file.id) == file


@pytest.mark.parametrize("script", [HOLD_SQLITE, HOLD_TURN], ids=["sqlite", "turn"])
async def test_a_longer_lock_is_told_in_our_words(catalogue: SqlCatalogue, path: Path, script: str) -> None:
    async with holding(script, path):
        early, late = a_file(), a_file()
        begun = time.monotonic()
        first = asyncio.ensure_future(catalogue.commit(Add(early)))
        await asyncio.sleep(1)
        second = asyncio.ensure_future(catalogue.commit(Add(late)))
        for commit, limit in ((first, 5), (second, 6)):
            with pytest.raises(CatalogueBusy) as refused:
                await commit
            assert limit - 0.5 < time.monotonic() - begun < limit + 10
            assert "locked" not in str(refused.value)
            assert refused.value.about == {"after": 1}
    after = a_file()
    await catalogue.commit(Add(after))
    for refused_file in (early, late):  # who was told "busy" may rely on it that nothing was changed
        with pytest.raises(FileMissing):
            await catalogue.file(refused_file.id)


async def test_closing_does_not_wait_for_a_lock_for_ever(path: Path) -> None:
    catalogue = await open_catalogue(path, FakeClock())
    async with holding(HOLD_TURN, path):
        commit = asyncio.ensure_future(catalogue.commit(Add(a_file())))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await catalogue.close()
        assert time.monotonic() - begun < 15
        with pytest.raises(CatalogueBusy):
            await commit


async def test_two_processes_share_a_database(catalogue: SqlCatalogue, path: Path) -> None:
    made = 0
    for _ in range(ATTEMPTS):
        others = [await start(WRITE, path, "3") for _ in range(2)]
        told = []
        for other in others:
            out, _ = await other.communicate()
            assert other.returncode == 0
            count, slowest = out.split()
            made += int(count)
            told.append((int(count), float(slowest)))
        assert (await catalogue.usage("ann")).files == made
        assert len((await catalogue.files(FileQuery(visible_to="ann"))).items) == min(made, 100)
        if all(count > 50 and slowest < 2 for count, slowest in told):
            break
    else:
        pytest.fail(f"one is kept waiting: {told}")
