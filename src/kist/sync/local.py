"""Files of a folder that is synced: reached step by step from the folder's descriptor, read, and written anew."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Protocol

from kist.errors import AlreadyThere, BadName, KistError, ObjectMissing, Stale, Stopped, StoreFull, StoreRefused
from kist.model.place import RESERVED
from kist.ports.tree import Item
from kist.ports.wiring import Aside

SMALL = 256 << 10
BLOCK = 1 << 20
TEMPORARY = f"{RESERVED}tmp/"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


_new = partial(tuple.__new__, Item)
"""``Item`` from its parts, in half the time: there may be millions."""


class Digest(Protocol):
    """What bytes can be added to."""

    def update(self, data: bytes, /) -> None:
        """Add some."""


def item_of(key: str, status: os.stat_result) -> Item:
    """A file as a tree shows it. Its etag tells it from every other file and from itself before an edit."""
    size, modified = status.st_size, status.st_mtime_ns
    return _new((key, size, modified, "%x-%x-%x" % (modified, size, status.st_ino)))  # noqa: UP031  # half the time


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Close it at the end of the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def folder_of(root: int, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder that holds ``key``, open, and the last part of the key. No step of the way may be a link.

    ``BadName`` for a key that would lead out, whoever it came from.
    """
    *folders, name = parts = key.split("/")
    if "\0" in key or any(part in ("", ".", "..") for part in parts):
        raise BadName("this key is no path within a folder")
    here = os.dup(root)
    try:
        for folder in folders:
            try:
                below = os.open(folder, FOLDER, dir_fd=here)
            except FileNotFoundError:
                if not make:
                    raise
                with suppress(FileExistsError):
                    os.mkdir(folder, dir_fd=here)
                below = os.open(folder, FOLDER, dir_fd=here)
            os.close(here)
            here = below
        yield here, name
    finally:
        os.close(here)


def read_in(root: int, items: Sequence[Item]) -> list[bytes | KistError]:
    """The bytes of small items that lie in one folder, each whole, or what went wrong with it."""
    try:
        with folder_of(root, items[0].key) as (here, _):
            return [_read_one(here, item) for item in items]
    except OSError as error:
        return [_unread(item, error) for item in items]


def prints_in(root: int, items: Sequence[Item], settled: int) -> list[str]:
    """The prints of items that lie in one folder; see ``Tree.prints``."""
    try:
        with folder_of(root, items[0].key) as (here, _):
            return [_print(here, item, settled) for item in items]
    except OSError:
        return [""] * len(items)


def _print(here: int, item: Item, settled: int) -> str:
    try:
        status = os.stat(item.key.rpartition("/")[2], dir_fd=here, follow_symlinks=False)
    except OSError:
        return ""
    if item_of(item.key, status) != item or status.st_ctime_ns > settled:
        return ""
    return f"{item.etag}-{status.st_dev:x}-{status.st_ctime_ns:x}"


def _read_one(here: int, item: Item) -> bytes | KistError:
    """One look behind the last byte says all: had the file been changed before, it would not be the listed one."""
    try:
        with closing(os.open(item.key.rpartition("/")[2], READ, dir_fd=here)) as file:
            content = os.pread(file, item.size + 1, 0)
            if len(content) == item.size and item_of(item.key, os.fstat(file)) == item:
                return content
            return Stale(f"{item.key} has changed since it was listed")
    except OSError as error:
        return _unread(item, error)


def _unread(item: Item, error: OSError) -> KistError:
    return ObjectMissing(f"{item.key} is no longer there") if error.errno in ABSENT else told(error)


def told(error: OSError) -> StoreFull | StoreRefused:
    """What the system's refusal means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("the disk of the folder is full: make room, then resume the job")
    return StoreRefused(f"the folder cannot be used: {error.strerror}")


class FileReading:
    """``Reading`` of a local file, which must be the same one when its last byte was read."""

    def __init__(self, descriptor: int, item: Item, aside: Aside) -> None:
        self._descriptor = descriptor
        self._item = item
        self._aside = aside

    async def blocks(self) -> AsyncIterator[bytes]:
        at, stop = 0, self._item.size
        while at < stop:
            try:
                block = await self._aside(os.pread, self._descriptor, min(BLOCK, stop - at), at)
            except OSError as error:
                raise told(error) from error
            if not block:
                raise Stale(f"{self._item.key} has become shorter while it was read")
            at += len(block)
            if at == stop:
                self.check()
            yield block

    def check(self) -> None:
        """``Stale`` when the file was changed since it was listed."""
        if item_of(self._item.key, os.fstat(self._descriptor)) != self._item:
            raise Stale(f"{self._item.key} has changed while it was read")

    async def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


class Held:
    """``Reading`` of what was read already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def blocks(self) -> AsyncIterator[bytes]:
        if self._content:
            yield self._content

    async def close(self) -> None:
        self._content = b""


class Draft:
    """A file under a temporary name inside the folder, so that it can be given its name in one step.

    Threads work on it that nobody can call back. The lock sees to it that none of them writes to a descriptor that
    was closed, which by then may be another file's.
    """

    def __init__(self, open_root: Callable[[], int], token: str, size: int) -> None:
        self._open_root, self._key, self._size = open_root, TEMPORARY + token, size
        self._root = self._file = -1
        self._lock = threading.Lock()
        self._dropped = False

    def open(self) -> None:
        """Make the file."""
        with self._held():
            self._root = self._open_root()
            with folder_of(self._root, self._key, make=True) as (here, name):
                self._file = os.open(name, _NEW, 0o666, dir_fd=here)
            if self._size:
                os.truncate(self._file, self._size)

    def write(self, block: bytes, at: int, digest: Digest | None = None) -> None:
        """Write a block where it belongs, and add it to ``digest``."""
        if digest is not None:
            digest.update(block)
        view = memoryview(block)
        with self._held():
            while view:
                written = os.pwrite(self._file, view, at)
                at, view = at + written, view[written:]

    def digest(self) -> str:
        """The MD5 of what was written, read back."""
        found, at = hashlib.md5(usedforsecurity=False), 0
        with self._held():
            while block := os.pread(self._file, BLOCK, at):
                found.update(block)
                at += len(block)
        return found.hexdigest()

    def publish(self, key: str, modified: int, *, only_new: bool) -> Item:
        """Give the file its name once its bytes are on the disk, in place of another unless ``only_new``."""
        with self._held():
            os.utime(self._file, ns=(modified, modified))
            os.fsync(self._file)
            with (
                folder_of(self._root, key, make=True) as (here, name),
                folder_of(self._root, self._key) as (tmp, own),
            ):
                if not (only_new and _linked_anew(tmp, own, here, name)):
                    os.rename(own, name, src_dir_fd=tmp, dst_dir_fd=here)
                os.fsync(here)
            return item_of(key, os.fstat(self._file))

    def drop(self) -> None:
        """Close what is open, and remove what has no name yet. Never raises."""
        with self._lock:
            self._dropped = True
            if self._root >= 0:
                with suppress(OSError), folder_of(self._root, self._key) as (here, name):
                    os.unlink(name, dir_fd=here)
            for descriptor in (self._file, self._root):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._root = -1

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            if self._dropped:
                raise Stopped("this file was given up")
            try:
                yield
            except OSError as error:
                raise told(error) from error


def link_or_copy(root: int, here: int, name: str, there: int, other: str, temporary: str) -> None:
    """Give a file a second name, or its copy that name where the file system knows no second ones.

    ``FileExistsError`` when the name is taken. A copy is made at ``temporary`` below ``root``, and then moved.
    """
    try:
        os.link(name, other, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    else:
        return
    with suppress(FileNotFoundError):
        os.stat(other, dir_fd=there, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, "the name is taken")
    with closing(os.open(name, READ, dir_fd=here)) as source, folder_of(root, temporary, make=True) as (tmp, own):
        status = os.fstat(source)
        with closing(os.open(own, _NEW, 0o666, dir_fd=tmp)) as target:
            while os.sendfile(target, source, None, BLOCK):
                pass
            os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
            os.fsync(target)
        os.rename(own, other, src_dir_fd=tmp, dst_dir_fd=there)


def _linked_anew(tmp: int, own: str, here: int, name: str) -> bool:
    """A link, unlike a rename, never takes another's place. False where the file system has none, and none is there."""
    try:
        os.link(own, name, src_dir_fd=tmp, dst_dir_fd=here, follow_symlinks=False)
    except FileExistsError as error:
        raise AlreadyThere("there is a file already") from error
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=here, follow_symlinks=False)
            raise AlreadyThere("there is a file already") from error
        return False
    return True
