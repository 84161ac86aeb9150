"""Syncs by checksum: they see what times and sizes do not tell, and read nothing twice that has not changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.sync.harm import filled, on_call, remove
from tests.sync.place import Scene

from kist.app import threads
from kist.model.job import Act, Compare, Job, JobState
from kist.model.place import Place
from kist.sync import comparing
from kist.sync.folder import FolderTree
from kist.sync.planning import memory_of
from kist.sync.transfer import LARGE
from kist.testing.clock import FakeClock, FakeIds

MIB = 1 << 20


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may be relied upon at once: nothing here is changed twice within a tick of the file system."""
    monkeypatch.setattr(comparing, "SETTLED", 0.0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read of a local file asked for."""
    asked: list[int] = []
    real = os.pread

    def counted(file: int, size: int, at: int) -> bytes:
        asked.append(size)
        return real(file, size, at)

    monkeypatch.setattr(os, "pread", counted)
    return asked


async def by_checksum(here: Scene, reads: list[int], **options: Any) -> tuple[Job, int]:
    """A sync by checksum, and how often files or objects were read for it."""
    opened = 0

    async def count(_: int) -> None:
        nonlocal opened
        opened += 1

    reads.clear()
    job = await on_call(here, "open", count).sync(**{"compare": Compare.CHECKSUM} | options)
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    return job, len(reads) + opened


def rewritten(path: Path) -> None:
    """Other bytes in the same file, with the same size and the same time."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(path.read_bytes().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


async def reasons(here: Scene, job: Job) -> dict[str, str]:
    return {step.key: step.reason for step in await here.steps(job) if step.act is not Act.NOTE}


async def test_the_second_reads_nothing(here: Scene, reads: list[int]) -> None:
    here.write("medium", os.urandom(MIB))
    here.write("large", os.urandom(MIB) * (LARGE // MIB + 1))
    await filled(here)
    many = len(here.files())
    first, read = await by_checksum(here, reads)
    assert (first.progress.files, first.progress.unchanged, read >= many) == (0, many, True)
    for _ in range(2):
        again, read = await by_checksum(here, reads)
        assert (again.progress.files, again.progress.unchanged, read) == (0, many, 0)


async def test_what_was_sent_is_not_read_to_be_compared(here: Scene, reads: list[int]) -> None:
    here.write("large", os.urandom(MIB) * (LARGE // MIB + 1))
    for number in range(40):
        here.write(f"{number}", b"data %d" % number)
    first, _ = await by_checksum(here, reads)
    again, read = await by_checksum(here, reads)
    assert (first.progress.files, again.progress.unchanged, read) == (41, 41, 0)
    rewritten(here.folder / "7")
    job, _ = await by_checksum(here, reads)
    assert await reasons(here, job) == {"7": "other bytes"}
    assert (await by_checksum(here, reads))[1] == 0


async def test_a_file_that_is_rewritten_while_it_is_sent_is_seen(here: Scene) -> None:
    """Its bytes were read before, and neither its size nor its time tells."""
    path = here.write("a", b"before")

    async def rewrite(_: int) -> None:
        if path.read_bytes() == b"before":
            rewritten(path)

    await on_call(here, "put", rewrite).sync(compare=Compare.CHECKSUM)
    assert await here.objects() == {"a": b"before"}
    assert await reasons(here, await here.sync(compare=Compare.CHECKSUM)) == {"a": "other bytes"}
    assert await here.objects() == here.files()


async def test_only_what_was_touched_is_read_again(here: Scene, reads: list[int]) -> None:
    await filled(here)
    await by_checksum(here, reads)
    os.utime(here.folder / "01")
    assert 0 < (await by_checksum(here, reads))[1] <= 3, "and its object, where that tells no MD5"
    assert (await by_checksum(here, reads))[1] == 0


async def test_both_reads_what_was_touched_once(here: Scene, reads: list[int]) -> None:
    await filled(here)
    for key in ("01", "02"):
        os.utime(here.folder / key)
    job, read = await by_checksum(here, reads, compare=Compare.BOTH)
    assert (job.progress.files, read > 0) == (0, True)
    assert (await by_checksum(here, reads, compare=Compare.BOTH))[1] == 0


async def test_a_file_that_was_rewritten_in_place_is_seen(here: Scene, reads: list[int]) -> None:
    await filled(here)
    await by_checksum(here, reads)
    rewritten(here.folder / "01")
    assert (await here.sync()).progress.files == 0, "by its time it has not changed"
    job, _ = await by_checksum(here, reads)
    assert await reasons(here, job) == {"01": "other bytes"}
    assert await here.objects() == here.files() | {"foreign": b"not of a sync"}


async def test_a_file_that_was_exchanged_is_seen(here: Scene, reads: list[int]) -> None:
    """Another file, with the same size and the same time."""
    await filled(here)
    await by_checksum(here, reads)
    path, other = here.folder / "01", here.folder / "other"
    other.write_bytes(path.read_bytes().swapcase())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.rename(path)
    job, _ = await by_checksum(here, reads)
    assert await reasons(here, job) == {"01": "other bytes"}


async def test_an_object_that_was_exchanged_is_seen(here: Scene, reads: list[int]) -> None:
    await filled(here)
    await by_checksum(here, reads)
    await here.put("copy/01", here.files()["01"].swapcase())
    job, _ = await by_checksum(here, reads)
    assert await reasons(here, job) == {"01": "other bytes"}


async def test_into_a_folder(here: Scene, reads: list[int], tmp_path: Path) -> None:
    before = await filled(here)
    back = tmp_path / "back"
    back.mkdir()
    ends = {"source": here.dest, "dest": str(back)}
    await here.sync(**ends)
    await by_checksum(here, reads, **ends)
    assert (await by_checksum(here, reads, **ends))[1] == 0
    rewritten(back / "01")
    job, _ = await by_checksum(here, reads, **ends)
    assert await reasons(here, job) == {"01": "other bytes"}
    assert (back / "01").read_bytes() == before["01"]


async def test_what_was_just_changed_is_not_relied_upon(
    here: Scene, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "SETTLED", 3600.0)
    await filled(here)
    await by_checksum(here, reads)
    assert (await by_checksum(here, reads))[1] >= len(here.files())


@pytest.mark.parametrize(("late", "told"), [(60.0, False), (130.0, True)])
async def test_a_file_is_relied_upon_once_what_is_mapped_was_written_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: float, told: bool
) -> None:
    """A page that is still dirty takes further writes without moving any time."""
    monkeypatch.undo()
    (tmp_path / "mapped").write_bytes(b"0" * 8192)
    tree, clock = FolderTree(tmp_path, threads(), FakeIds()), FakeClock(datetime.now(UTC))
    clock.advance(late)
    item = await tree.item("mapped")
    assert item is not None
    assert [bool(each) for each in await comparing.prints_of(tree, [item], clock)] == [told]


async def test_there_is_a_row_for_each_file_that_is_compared_and_no_other(here: Scene, reads: list[int]) -> None:
    await filled(here)
    await by_checksum(here, reads)
    assert await _rows(here) == sorted(here.files())
    remove(here, "01", "29", "sub/00")
    here.write("02", b"of another size")
    await here.ports.store.erase(Place(here.bucket, "copy/04"))
    await by_checksum(here, reads)
    assert await _rows(here) == sorted(here.files())
    await by_checksum(here, reads, exclude=("sub/", "1*"))
    assert await _rows(here) == sorted(key for key in here.files() if not key.startswith(("sub/", "1")))
    await here.sync()
    assert await _rows(here) != [], "a sync by time leaves them"
    await by_checksum(here, reads, exclude=("*",))
    assert await _rows(here) == []


async def test_rows_beyond_a_page(here: Scene, reads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "PAGE", 4)
    await filled(here)
    await by_checksum(here, reads)
    assert (await by_checksum(here, reads))[1] == 0
    assert await _rows(here) == sorted(here.files())


async def _rows(here: Scene) -> list[str]:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    sync = memory_of(Named(str(here.folder)), Named(here.dest))  # type: ignore[arg-type]
    return [row.key for row in await here.ports.catalogue.compared(sync, 1000)]
