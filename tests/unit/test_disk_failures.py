"""What the disk store does when the disk fails, when it is full, and when its caller goes away."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import pytest

from kist.drive import drive, right_here
from kist.errors import Corrupt, KistError, Misconfigured, StoreFull, StoreRefused, StoreUnavailable
from kist.model.content import OpenParts, PutRules
from kist.model.place import Place
from kist.ports.wiring import Aside, Wiring
from kist.stores.disk import DiskStore, connect
from kist.system import SystemClock, SystemIds
from kist.testing.ground import LARGE, content, in_blocks, read

T = TypeVar("T")
Args = TypeVarTuple("Args")

ONE = Place("some-bucket", "folder/one")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> DiskStore:
    store = DiskStore(root, right_here, SystemClock(), SystemIds())
    drive(store.make_bucket(ONE.bucket))
    drive(store.put(ONE, in_blocks(b"old bytes"), PutRules()))
    return store


def as_before(store: DiskStore, root: Path) -> bool:
    """The old object is whole, and there is nothing else."""

    async def whole() -> bytes:
        return await read(await store.open(ONE))

    files = [path for path in root.rglob("*") if path.is_file()]
    return drive(whole()) == b"old bytes" and files == [root / ONE.bucket / ONE.key]


def test_what_makes_room_takes_none(store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without an inode left, on which no multipart upload has ever begun."""

    def mkdir(*named: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def open_ones() -> list[OpenParts]:
        return [one async for one in store.open_parts(ONE.bucket)]

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert drive(open_ones()) == []
    drive(store.drop_parts(ONE, "0" * 32))
    drive(store.clear(ONE))
    drive(store.erase(ONE))
    assert [path for path in root.rglob("*") if path.is_file()] == []
    with pytest.raises(StoreFull):
        drive(store.start_parts(ONE, PutRules()))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EIO, StoreRefused),
        (errno.EROFS, StoreRefused),
        (errno.EACCES, StoreRefused),
        (errno.EMFILE, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
    ],
)
@pytest.mark.parametrize("call", ["writev", "fsync", "rename", "open"])
def test_a_failing_call(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[KistError]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, "injected")

    for size in (10, LARGE):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(kind) as caught:
                drive(store.put(ONE, in_blocks(content(size)), PutRules()))
        assert isinstance(caught.value.__cause__, OSError)
        assert str(root) not in caught.value.message
        assert as_before(store, root)


def test_a_failed_sync_is_final(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fail(fd: int) -> None:
        tried.append(fd)
        raise OSError(errno.EIO, "injected")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreRefused):
        drive(store.put(ONE, in_blocks(b"new"), PutRules()))
    assert len(tried) == 1


def test_a_disk_that_takes_a_part_of_a_write(store: DiskStore, root: Path) -> None:
    """A limit on the size of files makes real short writes, as a disk that fills up does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2 + 7, hard))
    try:
        with pytest.raises(StoreFull):
            drive(store.put(ONE, in_blocks(content(LARGE)), PutRules()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert as_before(store, root)


def test_short_writes_are_continued(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, blocks: writev(fd, [b"".join(blocks)[:1000]]))
    drive(store.put(ONE, in_blocks(content(LARGE), 70_001), PutRules()))

    async def whole() -> bytes:
        return await read(await store.open(ONE))

    assert drive(whole()) == content(LARGE)


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.ENOSYS])
def test_copy_where_the_file_system_cannot_share(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def fail(*args: object) -> int:
        raise OSError(refusal, "injected")

    drive(store.put(ONE, in_blocks(content(LARGE)), PutRules()))
    monkeypatch.setattr(os, "copy_file_range", fail)
    drive(store.copy(ONE, Place(ONE.bucket, "copy"), PutRules()))

    async def whole() -> bytes:
        return await read(await store.open(Place(ONE.bucket, "copy")))

    assert drive(whole()) == content(LARGE)


def test_a_file_that_was_cut_is_corrupt(store: DiskStore, root: Path) -> None:
    drive(store.put(ONE, in_blocks(content(LARGE)), PutRules()))
    opened = drive(store.open(ONE))
    os.truncate(root / ONE.bucket / ONE.key, LARGE // 2)
    with pytest.raises(Corrupt):
        drive(read(opened))


KILLED = """
import os, sys
from pathlib import Path
from kist.drive import drive, right_here
from kist.model.content import OpenParts, PutRules
from kist.model.place import Place
from kist.stores.disk import DiskStore
from kist.system import SystemClock, SystemIds

async def killed():
    for _ in range(3):
        yield b"x" * 2_000_000
    os._exit(9)

store = DiskStore(Path(sys.argv[1]), right_here, SystemClock(), SystemIds())
drive(store.put(Place(*sys.argv[2:]), killed(), PutRules()))
"""


def test_clear_finds_what_a_killed_put_left(store: DiskStore, root: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root), ONE.bucket, ONE.key], check=False, timeout=60)
    assert killed.returncode == 9
    assert not as_before(store, root)
    drive(store.clear(Place(ONE.bucket, "folder/other")))
    assert not as_before(store, root)
    drive(store.clear(ONE))
    assert as_before(store, root)


class Counting:
    """An ``aside`` that counts what it is asked to run."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self, work: Callable[[Unpack[Args]], T], /, *args: *Args) -> T:
        self.calls.append(work.__name__)
        return work(*args)


def test_steps_aside(store: DiskStore, root: Path) -> None:
    aside = Counting()
    counted = DiskStore(root, aside, SystemClock(), SystemIds())
    for size in (0, 10, 1024 * 1024):
        drive(counted.put(ONE, in_blocks(content(size)), PutRules()))
    assert aside.calls == ["finish"] * 3, "a small put takes one step"
    aside.calls.clear()
    drive(counted.put(ONE, in_blocks(b"small"), PutRules()))
    drive(read(drive(counted.open(ONE))))
    assert aside.calls == ["finish", "open_span"], "and so does reading it"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def in_threads(pool: ThreadPoolExecutor) -> Aside:
    def aside(work: Callable[[Unpack[Args]], T], /, *args: *Args) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(pool, work, *args)

    return aside


async def test_cancelled_while_the_disk_is_slow(
    store: DiskStore, root: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread goes on after its caller has gone; it must neither publish nor leave anything behind."""
    begun, go_on = threading.Event(), threading.Event()
    fsync = os.fsync

    def slow(fd: int) -> None:
        begun.set()
        assert go_on.wait(60)
        fsync(fd)

    loop = asyncio.get_running_loop()
    threaded = DiskStore(root, in_threads(threads), SystemClock(), SystemIds())
    monkeypatch.setattr(os, "fsync", slow)
    for size in (10, LARGE):
        begun.clear()
        go_on.clear()
        putting = asyncio.create_task(threaded.put(ONE, in_blocks(content(size)), PutRules()))
        await loop.run_in_executor(None, begun.wait)
        putting.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert as_before(store, root)


async def test_descriptors_are_freed(store: DiskStore, root: Path, threads: ThreadPoolExecutor) -> None:
    threaded = DiskStore(root, in_threads(threads), SystemClock(), SystemIds())
    await threaded.put(ONE, in_blocks(content(LARGE)), PutRules())
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        opening = asyncio.create_task(threaded.open(ONE))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        opened = await threaded.open(ONE)
        await anext(opened.body)
        await opened.close()
        with pytest.raises(KistError):
            await threaded.put(ONE, in_blocks(content(LARGE)), PutRules(size=LARGE + 1))
    await asyncio.get_running_loop().run_in_executor(threads, gc.collect)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_connect(tmp_path: Path) -> None:
    for url in (f"disk:{tmp_path}/here", f"disk://{tmp_path}/here"):
        opened = connect(Wiring(url, SystemClock(), SystemIds(), right_here))
        drive(opened.make_bucket(f"bucket-{len(url)}"))
    assert len(list((tmp_path / "here").iterdir())) == 2
    for url in ("disk:", "memory:", "/a/path"):
        with pytest.raises(Misconfigured):
            connect(Wiring(url, SystemClock(), SystemIds(), right_here))
