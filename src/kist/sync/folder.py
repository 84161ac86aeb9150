"""A local folder as one side of a sync. Everything is reached from the folder's descriptor, step by step, no links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kist.errors import BadName, ObjectMissing, SourceMissing, Stale, StoreFull, StoreRefused
from kist.model.content import Span
from kist.model.place import RESERVED, check_key
from kist.ports.system import Ids
from kist.ports.tree import Item, Trouble
from kist.ports.wiring import Aside

BATCH = 1000
BLOCK = 1 << 20
TEMPORARY = f"{RESERVED}tmp/"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
        walk = _batches(_walked(self._open_root()))
        while batch := await self._aside(_next, walk):
            yield batch

    async def item(self, key: str) -> Item | None:
        return await self._aside(self._item, key)

    async def open(self, item: Item, span: Span | None = None) -> FileReading:
        descriptor = await self._aside(self._opened, item)
        return FileReading(descriptor, item, span, self._aside)

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

    def _open_root(self) -> int:
        try:
            return os.open(self._root, _FOLDER)
        except OSError as error:
            raise SourceMissing(f"the folder {self._root} cannot be opened: {error.strerror}") from error

    def _identity(self) -> str:
        with _closing(self._open_root()) as root:
            status = os.fstat(root)
            return f"{status.st_dev}:{status.st_ino}"

    def _item(self, key: str) -> Item | None:
        with _closing(self._open_root()) as root:
            try:
                with _folder_of(root, key) as (here, name):
                    status = os.stat(name, dir_fd=here, follow_symlinks=False)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise _told(error) from error
        return _item_of(key, status) if stat.S_ISREG(status.st_mode) else None

    def _opened(self, item: Item) -> int:
        with _closing(self._open_root()) as root:
            try:
                with _folder_of(root, item.key) as (here, name):
                    descriptor = os.open(name, _READ, dir_fd=here)
            except OSError as error:
                if error.errno in _ABSENT:
                    raise ObjectMissing(f"{item.key} is no longer there") from error
                raise _told(error) from error
        if _item_of(item.key, os.fstat(descriptor)) != item:
            os.close(descriptor)
            raise Stale(f"{item.key} has changed since it was listed")
        return descriptor

    def _linked(self, key: str, aside: str) -> bool:
        """Give the file a second name: what is written to the first later is another file."""
        with _closing(self._open_root()) as root:
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
        with _closing(self._open_root()) as root:
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
        with _closing(self._open_root()) as root:
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
        if _item_of(self._item.key, os.fstat(self._descriptor)) != self._item:
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
        view = memoryview(block)
        try:
            while view:
                written = os.pwrite(self._file, view, at)
                at, view = at + written, view[written:]
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
            return _item_of(key, os.fstat(self._file))
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


def _item_of(key: str, status: os.stat_result) -> Item:
    return Item(key, status.st_size, status.st_mtime_ns, f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}")


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _folder_of(root: int, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder that holds ``key``, open, and the last part of the key. No step of the way may be a link."""
    *folders, name = key.split("/")
    here = os.dup(root)
    try:
        for folder in folders:
            try:
                below = os.open(folder, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                if not make:
                    raise
                with suppress(FileExistsError):
                    os.mkdir(folder, dir_fd=here)
                below = os.open(folder, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        yield here, name
    finally:
        os.close(here)


def _walked(root: int) -> Iterator[Item | Trouble]:
    """All files below, by key: within a folder, files by name and folders by name with a slash behind."""
    with _closing(root):
        yield from _below(root, "")


def _below(here: int, prefix: str) -> Iterator[Item | Trouble]:
    names: list[tuple[str, os.DirEntry[str]]] = []
    try:
        with os.scandir(here) as entries:
            names = [
                (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries
            ]
    except OSError as error:
        yield Trouble(prefix or "/", f"cannot be listed: {error.strerror}", hides=True)
        return
    names.sort()
    for name, entry in names:
        key = prefix + name
        if key == RESERVED:
            continue
        if name.endswith("/"):
            yield from _inside(here, name[:-1], key)
        else:
            yield _looked_at(entry, key)


def _inside(here: int, name: str, key: str) -> Iterator[Item | Trouble]:
    try:
        below = os.open(name, _FOLDER, dir_fd=here)
    except OSError as error:
        yield Trouble(key, f"cannot be opened: {error.strerror}", hides=True)
        return
    with _closing(below):
        yield from _below(below, key)


def _looked_at(entry: os.DirEntry[str], key: str) -> Item | Trouble:
    try:
        check_key(key)
        if not entry.is_file(follow_symlinks=False):
            what = "is a link, which is not followed" if entry.is_symlink() else "is no regular file"
            return Trouble(key, what, hides=False)
        return _item_of(key, entry.stat(follow_symlinks=False))
    except (BadName, UnicodeError):
        return Trouble(key, "its name cannot be a key", hides=False)
    except OSError as error:
        return Trouble(key, f"cannot be read: {error.strerror}", hides=True)


def _batches(walk: Iterator[Item | Trouble]) -> Iterator[list[Item | Trouble]]:
    batch: list[Item | Trouble] = []
    for found in walk:
        batch.append(found)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _next(batches: Iterator[list[Item | Trouble]]) -> list[Item | Trouble]:
    return next(batches, [])


def _told(error: OSError) -> StoreFull | StoreRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("the disk of the folder is full: make room, then resume the job")
    return StoreRefused(f"the folder cannot be used: {error.strerror}")
