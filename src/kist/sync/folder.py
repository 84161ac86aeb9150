"""A local folder as one side of a sync. Everything is reached from the folder's descriptor, step by step, no links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby, islice
from pathlib import Path

from kist.errors import KistError, ObjectMissing, SourceMissing, Stale, StoreFull, StoreRefused
from kist.model.content import Span
from kist.model.place import RESERVED
from kist.ports.system import Ids
from kist.ports.tree import Item, Trouble
from kist.ports.wiring import Aside
from kist.sync.walk import FOLDER, Batch, batches, closing, item_of

BLOCK = 1 << 20
TEMPORARY = f"{RESERVED}tmp/"

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class FolderTree:
    """``Tree`` on a folder. ``aside`` runs what blocks in threads."""

    def __init__(self, root: Path, aside: Aside, ids: Ids) -> None:
        self._root = root
        self._aside = aside
        self._ids = ids

    @property
    def name(self) -> str:
        return str(self._root)

    async def identity(self) -> str:
        return await self._aside(self._identity)

    async def items(self) -> AsyncIterator[list[Item | Trouble]]:
        walk = batches(self._open_root())
        while few := await self._aside(_several, walk):
            for batch in few:
                yield batch

    async def item(self, key: str) -> Item | None:
        return await self._aside(self._item, key)

    async def open(self, item: Item, span: Span | None = None) -> FileReading:
        descriptor = await self._aside(self._opened, item)
        return FileReading(descriptor, item, span, self._aside)

    async def read_small(self, items: Sequence[Item]) -> list[bytes | KistError]:
        """The bytes of each of a few small items, or what went wrong: ``ObjectMissing``, ``Stale``."""
        return await self._aside(self._read_small, items)

    async def read(self, item: Item, span: Span) -> bytes:
        """All bytes of a span, by one call aside. ``ObjectMissing``, ``Stale``."""
        return await self._aside(self._read, item, span)

    async def keep(self, key: str, aside: str) -> bool:
        return await self._aside(self._linked, key, aside)

    async def kept(self, aside: str) -> Item | None:
        return await self.item(aside)

    async def restore(self, aside: str, key: str) -> Item | None:
        if not await self._aside(self._moved, aside, key):
            return None
        return await self.item(key)

    async def remove(self, *keys: str) -> None:
        for key in keys:
            await self._aside(self._removed, key)

    async def write(self, key: str, body: AsyncIterator[bytes], *, size: int, modified: int) -> Item:
        """Write a whole file, or nothing, with the source's time. ``body`` may break off with any error."""
        if size <= BLOCK:
            content = b"".join([block async for block in body])
            if len(content) != size:
                raise Stale(f"{key} has changed while it was read")
            return await self._aside(self._written, key, content, modified)
        draft = await self.draft(size)
        try:
            at = 0
            async for block in body:
                await self._aside(draft.write, block, at)
                at += len(block)
            if at != size:
                raise Stale(f"{key} has changed while it was read")
            return await self._aside(draft.publish, key, modified)
        finally:
            draft.drop()

    async def draft(self, size: int) -> Draft:
        """A file on its way in, whose blocks may come in any order."""
        return await self._aside(Draft, self._open_root(), self._ids.token(), size)

    async def write_block(self, draft: Draft, block: bytes, at: int) -> None:
        """Write a block of a draft where it belongs."""
        await self._aside(draft.write, block, at)

    async def publish(self, draft: Draft, key: str, modified: int) -> Item:
        """Give a draft its name; see ``Draft.publish``."""
        return await self._aside(draft.publish, key, modified)

    def _written(self, key: str, content: bytes, modified: int) -> Item:
        draft = Draft(self._open_root(), self._ids.token(), 0)
        try:
            draft.write(content, 0)
            return draft.publish(key, modified)
        finally:
            draft.drop()

    def _open_root(self) -> int:
        try:
            return os.open(self._root, FOLDER)
        except OSError as error:
            raise SourceMissing(f"the folder {self._root} cannot be opened: {error.strerror}") from error

    def _identity(self) -> str:
        with closing(self._open_root()) as root:
            status = os.fstat(root)
            return f"{status.st_dev}:{status.st_ino}"

    def _item(self, key: str) -> Item | None:
        with closing(self._open_root()) as root:
            try:
                with _folder_of(root, key) as (here, name):
                    status = os.stat(name, dir_fd=here, follow_symlinks=False)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise _told(error) from error
        return item_of(key, status) if stat.S_ISREG(status.st_mode) else None

    def _opened(self, item: Item) -> int:
        with closing(self._open_root()) as root:
            try:
                with _folder_of(root, item.key) as (here, name):
                    descriptor = os.open(name, _READ, dir_fd=here)
            except OSError as error:
                if error.errno in _ABSENT:
                    raise ObjectMissing(f"{item.key} is no longer there") from error
                raise _told(error) from error
        if item_of(item.key, os.fstat(descriptor)) != item:
            os.close(descriptor)
            raise Stale(f"{item.key} has changed since it was listed")
        return descriptor

    def _read(self, item: Item, span: Span) -> bytes:
        descriptor = self._opened(item)
        with closing(descriptor):
            block = os.pread(descriptor, span.length, span.start)
            if len(block) != span.length or item_of(item.key, os.fstat(descriptor)) != item:
                raise Stale(f"{item.key} has changed while it was read")
            return block

    def _read_small(self, items: Sequence[Item]) -> list[bytes | KistError]:
        try:
            with closing(self._open_root()) as root:
                found: list[bytes | KistError] = []
                for _, together in groupby(items, _folder_key):
                    found += _read_in(root, list(together))
                return found
        except KistError as error:
            return [error] * len(items)

    def _linked(self, key: str, aside: str) -> bool:
        """Give the file a second name: what is written to the first later is another file."""
        with closing(self._open_root()) as root:
            try:
                with _folder_of(root, key) as (here, name), _folder_of(root, aside, make=True) as (there, other):
                    with suppress(FileExistsError):  # kept already, by a try that was cut off
                        os.link(name, other, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
                    os.fsync(there)
                    return True
            except OSError as error:
                if error.errno in _ABSENT:
                    return False
                raise _told(error) from error

    def _moved(self, key: str, aside: str) -> bool:
        with closing(self._open_root()) as root:
            try:
                with _folder_of(root, key) as (here, name), _folder_of(root, aside, make=True) as (there, other):
                    os.rename(name, other, src_dir_fd=here, dst_dir_fd=there)
                    os.fsync(there)
                    return True
            except OSError as error:
                if error.errno in _ABSENT:
                    return False
                raise _told(error) from error

    def _removed(self, key: str) -> None:
        with closing(self._open_root()) as root:
            try:
                with _folder_of(root, key) as (here, name):
                    os.unlink(name, dir_fd=here)
                    os.fsync(here)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise _told(error) from error


class FileReading:
    """``Reading`` of a local file, which must be the same one when its last byte was read."""

    def __init__(self, descriptor: int, item: Item, span: Span | None, aside: Aside) -> None:
        self._descriptor = descriptor
        self._item = item
        self._span = span or (Span(0, item.size) if item.size else None)
        self._aside = aside

    async def blocks(self) -> AsyncIterator[bytes]:
        at, stop = (self._span.start, self._span.stop) if self._span else (0, 0)
        while at < stop:
            block = await self._aside(os.pread, self._descriptor, min(BLOCK, stop - at), at)
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


class Draft:
    """A file under a temporary name inside the folder, so that it can be given its name in one step."""

    def __init__(self, root: int, token: str, size: int) -> None:
        self._root, self._key = root, TEMPORARY + token
        self._file = -1
        try:
            with _folder_of(root, self._key, make=True) as (here, name):
                self._file = os.open(name, _NEW, 0o666, dir_fd=here)
            if size:
                os.truncate(self._file, size)
        except OSError as error:
            self.drop()
            raise _told(error) from error

    def write(self, block: bytes, at: int) -> None:
        """Write a block where it belongs."""
        view, start = memoryview(block), at
        try:
            while view:
                written = os.pwrite(self._file, view, at)
                at, view = at + written, view[written:]
            if len(block) >= BLOCK:  # on its way to the disk at once, so that little is left to wait for at the end
                os.posix_fadvise(self._file, start, len(block), os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise _told(error) from error

    def publish(self, key: str, modified: int) -> Item:
        """Give the file its name, in place of another, once its bytes are on the disk."""
        try:
            os.utime(self._file, ns=(modified, modified))
            os.fsync(self._file)
            with (
                _folder_of(self._root, key, make=True) as (here, name),
                _folder_of(self._root, self._key) as (tmp, own),
            ):
                os.rename(own, name, src_dir_fd=tmp, dst_dir_fd=here)
                os.fsync(here)
            return item_of(key, os.fstat(self._file))
        except OSError as error:
            raise _told(error) from error

    def drop(self) -> None:
        """Close what is open, and remove what has no name yet. Never raises."""
        with suppress(OSError), _folder_of(self._root, self._key) as (here, name):
            os.unlink(name, dir_fd=here)
        for descriptor in (self._file, self._root):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._root = -1


@contextmanager
def _folder_of(root: int, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder that holds ``key``, open, and the last part of the key. No step of the way may be a link."""
    *folders, name = key.split("/")
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


def _several(walk: Iterator[Batch]) -> list[Batch]:
    """A few batches: each time that a thread is asked costs as much as fifty files."""
    return list(islice(walk, 8))


def _folder_key(item: Item) -> str:
    return item.key.rpartition("/")[0]


def _read_in(root: int, items: list[Item]) -> list[bytes | KistError]:
    """The bytes of items that lie in one folder."""
    try:
        with _folder_of(root, items[0].key) as (here, _):
            return [_read_one(here, item) for item in items]
    except OSError as error:
        return [_unread(item, error) for item in items]


def _read_one(here: int, item: Item) -> bytes | KistError:
    """One look behind the last byte says all: had the file been changed before, it would not be the listed one."""
    try:
        with closing(os.open(item.key.rpartition("/")[2], _READ, dir_fd=here)) as file:
            content = os.read(file, item.size + 1)
            if len(content) == item.size and item_of(item.key, os.fstat(file)) == item:
                return content
            return Stale(f"{item.key} has changed since it was listed")
    except OSError as error:
        return _unread(item, error)


def _unread(item: Item, error: OSError) -> KistError:
    return ObjectMissing(f"{item.key} is no longer there") if error.errno in _ABSENT else _told(error)


def _told(error: OSError) -> StoreFull | StoreRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("the disk of the folder is full: make room, then resume the job")
    return StoreRefused(f"the folder cannot be used: {error.strerror}")
