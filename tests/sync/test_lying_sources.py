"""Sources and listings that are not what they seem: 0 objects are lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.sync.harm import (
    MANY,
    check_nothing_lost,
    filled,
    lists_through,
    notes,
    remove,
)
from tests.sync.place import ROOT, Scene

from kist.errors import WrongState
from kist.model.content import Listed
from kist.model.job import Act, JobState
from kist.ports.tree import Trouble
from kist.sync import local, walk

REPOSITORY = Path(__file__).parents[2]


# --- the source is not what it was -----------------------------------------------------------------------------------


async def test_a_missing_source(here: Scene) -> None:
    before = await filled(here)
    shutil.rmtree(here.folder)
    job = await here.sync(delete=True)
    assert (job.state, "source_missing" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_an_empty_source(here: Scene) -> None:
    before = await filled(here)
    shutil.rmtree(here.folder)
    here.folder.mkdir()
    job = await here.sync(delete=True, max_delete=1000)
    assert (job.state, "empty" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_a_source_in_which_nothing_can_be_synced(here: Scene) -> None:
    before = await filled(here)
    shutil.rmtree(here.folder)
    here.folder.mkdir()
    (here.folder / "link").symlink_to("/etc/passwd")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.NEEDS_CONFIRMATION, 0)
    assert await here.objects() == before


async def exchanged(here: Scene, *gone: str) -> None:
    """Another folder at the same address, with the same files but for some."""
    old = here.folder.rename(here.folder.with_name("old"))
    shutil.copytree(old, here.folder)
    remove(here, *gone)


async def test_another_folder_at_the_same_address(here: Scene) -> None:
    before = await filled(here)
    await exchanged(here, "01")
    job = await here.sync(delete=True)
    assert (job.state, "not the folder" in job.reason) == (JobState.NEEDS_CONFIRMATION, True)
    assert await here.objects() == before
    await here.kist.jobs.confirm(ROOT, job.id, job.plan)
    job = await here.carry_out(await here.kist.jobs.get(ROOT, job.id))
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 1)
    await check_nothing_lost(here, before)


async def test_another_folder_is_not_the_right_one_because_it_was_synced_without_deletions(here: Scene) -> None:
    before = await filled(here)
    await exchanged(here, "01")
    assert (await here.sync()).state is JobState.SUCCEEDED
    assert (await here.sync(delete=True)).state is JobState.NEEDS_CONFIRMATION
    assert await here.objects() == before


async def test_a_file_system_that_is_no_longer_mounted_below(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is an empty folder: fewer files than the guards count."""
    here.write("disk/file")
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(here.folder / "disk"):
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(os, "fstat", fstat)
    before = await filled(here)
    monkeypatch.undo()
    remove(here, "disk/file")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.NEEDS_CONFIRMATION, 0)
    assert await here.objects() == before


async def test_a_source_that_is_a_link(here: Scene) -> None:
    before = await filled(here)
    real = here.folder.rename(here.folder.with_name("real"))
    here.folder.symlink_to(real)
    job = await here.sync(delete=True)
    assert (job.state, "source_missing" in job.reason) == (JobState.FAILED, True)
    assert await here.objects() == before


async def test_a_source_that_is_exchanged_while_it_is_listed(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(here)
    remove(here, "01")
    real = walk._looked_at

    def looked_at(entry: os.DirEntry[str], key: str, plain: bool) -> Any:
        if key == "02":
            here.folder.rename(here.folder.with_name("old"))
            here.folder.mkdir()
        return real(entry, key, plain)

    monkeypatch.setattr(walk, "_looked_at", looked_at)
    job = await here.sync(delete=True)
    assert job.progress.deleted == 0
    assert await here.objects() == before


# --- the source cannot be seen whole ---------------------------------------------------------------------------------


@contextmanager
def _failing(entries: Any, after: int) -> Iterator[Iterator[Any]]:
    def some() -> Iterator[Any]:
        for number, entry in enumerate(entries):
            if number == after:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            yield entry

    with entries:
        yield some()


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_a_folder_that_cannot_be_read_to_its_end(
    here: Scene, monkeypatch: pytest.MonkeyPatch, after: int | None
) -> None:
    before = await filled(here)
    remove(here, "01")
    here.write("new")
    real = os.scandir

    def scandir(descriptor: int) -> Any:
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(here.folder / "sub"):
            return real(descriptor)
        if after is None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return _failing(real(descriptor), after)

    monkeypatch.setattr(os, "scandir", scandir)
    job = await here.sync(delete=True, max_delete=1000)
    assert (job.state, job.progress.files, job.progress.deleted) == (JobState.SUCCEEDED_WITH_ERRORS, 1, 0)
    assert "cannot be listed" in (await notes(here, job, Act.NOTE))["sub/"]
    assert await here.objects() == before | {"new": b"data"}


async def test_a_file_that_cannot_be_looked_at(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(here)
    remove(here, "01", "02")
    real = local.item_of

    def item_of(key: str, status: os.stat_result) -> Any:
        if key == "04":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(key, status)

    monkeypatch.setattr(walk, "item_of", item_of)
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED_WITH_ERRORS, 0)
    assert await here.objects() == before


async def test_an_excluded_folder_need_not_be_readable(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(here)
    here.write("lost+found/x")
    remove(here, "01")
    real = walk._folder
    trouble = Trouble("lost+found/", "cannot be opened", hides=True)
    monkeypatch.setattr(walk, "_folder", lambda at, name, key: trouble if key[0] == "l" else real(at, name, key))
    assert (await here.sync(delete=True)).progress.deleted == 0
    assert (await here.sync(delete=True, exclude=("lost+found/",))).progress.deleted == 1


def test_folders_and_files_that_may_not_be_read(tmp_path: Path) -> None:
    """As somebody from whom things can be hidden, which root is not. Only what can be read is sent, nothing deleted."""
    program = [sys.executable, "-m", "tests.sync.unreadable", str(tmp_path)]
    if os.geteuid() == 0:
        program = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *program]
    done = subprocess.run(program, cwd=REPOSITORY, text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout.split() == ["succeeded_with_errors", "0", "True", "True"], done.stderr


# --- listings that lie -----------------------------------------------------------------------------------------------


async def truncated(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    count = 0
    async for listed in listing:
        count += 1
        if count > 5 and prefix:
            return
        yield listed


async def backwards(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    found = [listed async for listed in listing]
    for listed in reversed(found) if prefix else found:
        yield listed


async def looping(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    found = [listed async for listed in listing]
    for _ in range(3 if prefix else 1):
        for listed in found:
            yield listed


async def broken(prefix: str, listing: AsyncIterator[Listed]) -> AsyncIterator[Listed]:
    async for listed in truncated(prefix, listing):
        yield listed
    if prefix:
        raise WrongState("the listing broke off")


LIES = {"truncated": truncated, "backwards": backwards, "looping": looping, "broken": broken}


@pytest.mark.parametrize("lie", LIES)
async def test_a_listing_of_the_destination(here: Scene, lie: str) -> None:
    before = await filled(here)
    await here.put("copy/new", b"another's")
    here.write("new", b"mine")
    remove(here, "01")
    job = await lists_through(here, LIES[lie]).sync(delete=True)
    if lie == "truncated":
        assert job.state is JobState.SUCCEEDED_WITH_ERRORS, "nobody can see that it is not whole"
        assert "something was put" in (await notes(here, job, Act.CREATE))["new"]
    else:
        assert job.state is JobState.FAILED
    assert await here.objects() == before | {"new": b"another's"}


@pytest.mark.parametrize("lie", LIES)
async def test_a_listing_of_the_source(here: Scene, lie: str) -> None:
    await filled(here)
    await here.sync(here.dest, f"{here.bucket}/mirror")
    lying = lists_through(here, lambda prefix, listing: LIES[lie](prefix if prefix == "copy/" else "", listing))
    job = await lying.sync(here.dest, f"{here.bucket}/mirror", delete=True)
    assert job.state is (JobState.NEEDS_CONFIRMATION if lie == "truncated" else JobState.FAILED)
    assert len(await here.keys("mirror/")) == MANY + 1
