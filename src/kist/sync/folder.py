"""A local folder as one side of a sync. Everything is reached from the folder's descriptor, step by step, no links."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from kist.errors import BadName, ObjectMissing, SourceMissing, Stale
from kist.model.content import Span
from kist.model.place import MAX_KEY_BYTES, check_key
from kist.ports.system import Ids
from kist.ports.tree import Item, Trouble
from kist.ports.wiring import Aside
from kist.sync.local import (
    ABSENT,
    FOLDER,
    NO_LINKS,
    SMALL,
    TEMPORARY,
    Digest,
    Draft,
    FileReading,
    Held,
    closing,
    folder_of,
    item_of,
    told,
)
from kist.sync.trash import check_synced, is_reserved

BATCH = 1000

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FolderTree:
    """``Tree`` on a folder. ``aside`` runs what blocks in threads.

    ``beneath``: a folder above it from which on no step of the way may be a link; None for its own name alone.
    """

    def __init__(self, root: Path, aside: Aside, ids: Ids, *, beneath: Path | None = None) -> None:
        self._root = root
        self._beneath = beneath
        self._aside = aside
        self._ids = ids
        self._mounts: list[str] = []

    @property
    def name(self) -> str:
        return str(self._root)

    async def identity(self) -> str:
        return await self._aside(self._identity)

    async def items(self) -> AsyncIterator[list[Item | Trouble]]:
        self._mounts = []
        walk = _batches(_walked(self._open_root(), self._mounts))
        while batch := await self._aside(_next, walk):
            yield batch

    async def item(self, key: str) -> Item | None:
        return await self._aside(self._item, key)

    async def open(self, item: Item, span: Span | None = None) -> FileReading | Held:
        """A span, and what is small, is read at once: a turn in a thread costs more than a small file."""
        if span is not None or 0 < item.size <= SMALL:
            return Held(await self._aside(self._read, item, span or Span(0, item.size)))
        descriptor = await self._aside(self._opened, item)
        return FileReading(descriptor, item, span, self._aside)

    async def keep(self, key: str, aside: str) -> bool:
        check_synced(key)
        return await self._aside(self._linked, key, aside)

    async def kept(self, aside: str) -> Item | None:
        return await self.item(aside)

    async def restore(self, aside: str, key: str) -> Item | None:
        check_synced(key)
        if not await self._aside(self._restored, aside, key):
            return None
        return await self.item(key)

    async def remove(self, *keys: str) -> None:
        for key in keys:
            check_synced(key)
            await self._aside(self._removed, key)

    async def tidy(self) -> None:
        """Remove what was on its way in when a process was killed: only one job at a time writes to a folder."""
        await self._aside(self._tidied)

    async def write(
        self, key: str, body: AsyncIterator[bytes], *, size: int, modified: int, only_new: bool = False
    ) -> Item:
        """Write a whole file, or nothing, with the source's time. ``body`` may break off with any error.

        ``AlreadyThere`` where ``only_new`` and there is one.
        """
        check_synced(key)
        draft = self.draft(size)
        try:
            await self._aside(draft.open)
            at = 0
            async for block in body:
                await self._aside(draft.write, block, at)
                at += len(block)
            if at != size:
                raise Stale(f"{key} has changed while it was read")
            return await self.publish(draft, key, modified, only_new=only_new)
        finally:
            draft.drop()

    def draft(self, size: int) -> Draft:
        """A file on its way in, whose blocks may come in any order. Drop it in any case."""
        return Draft(self._open_root, self._ids.token(), size)

    async def begin(self, draft: Draft) -> None:
        """Make a draft's file."""
        await self._aside(draft.open)

    async def write_block(self, draft: Draft, block: bytes, at: int, digest: Digest | None = None) -> None:
        """Write a block of a draft where it belongs, and add it to ``digest``."""
        await self._aside(draft.write, block, at, digest)

    async def digest(self, draft: Draft) -> str:
        """The MD5 of what a draft holds by now."""
        return await self._aside(draft.digest)

    async def publish(self, draft: Draft, key: str, modified: int, *, only_new: bool = False) -> Item:
        """Give a draft its name; see ``Draft.publish``."""
        check_synced(key)

        def publish() -> Item:
            return draft.publish(key, modified, only_new=only_new)

        return await self._aside(publish)

    def _open_root(self) -> int:
        absent = False
        try:
            if self._beneath is None or self._beneath == self._root:
                return os.open(self._root, FOLDER)
            way = self._root.relative_to(self._beneath).as_posix()
            with closing(os.open(self._beneath, FOLDER)) as above:
                absent = True  # what is above it is there: this is no disk that is not mounted
                with folder_of(above, way) as (here, name):
                    return os.open(name, FOLDER, dir_fd=here)
        except OSError as error:
            absent = absent and error.errno == errno.ENOENT
            raise SourceMissing(f"the folder {self._root} cannot be opened: {error.strerror}", absent=absent) from error

    def _identity(self) -> str:
        """What is mounted below belongs to it, once it was listed: an empty mount point looks like any folder."""
        with closing(self._open_root()) as root:
            status = os.fstat(root)
        below = "\n".join(self._mounts).encode("utf-8", "surrogateescape")
        mounted = f"\n{hashlib.sha256(below).hexdigest()}" if below else ""
        return f"{status.st_dev}:{status.st_ino}{mounted}"

    def _item(self, key: str) -> Item | None:
        with closing(self._open_root()) as root:
            try:
                with folder_of(root, key) as (here, name):
                    status = os.stat(name, dir_fd=here, follow_symlinks=False)
            except OSError as error:
                if error.errno in ABSENT:
                    return None
                raise told(error) from error
        return item_of(key, status) if stat.S_ISREG(status.st_mode) else None

    def _opened(self, item: Item) -> int:
        with closing(self._open_root()) as root:
            try:
                with folder_of(root, item.key) as (here, name):
                    descriptor = os.open(name, _READ, dir_fd=here)
            except OSError as error:
                if error.errno in ABSENT:
                    raise ObjectMissing(f"{item.key} is no longer there") from error
                raise told(error) from error
        if item_of(item.key, os.fstat(descriptor)) != item:
            os.close(descriptor)
            raise Stale(f"{item.key} has changed since it was listed")
        return descriptor

    def _read(self, item: Item, span: Span) -> bytes:
        with closing(self._opened(item)) as file:
            try:
                content = os.pread(file, span.length, span.start)
            except OSError as error:
                raise told(error) from error
            if len(content) != span.length or item_of(item.key, os.fstat(file)) != item:
                raise Stale(f"{item.key} has changed while it was read")
            return content

    def _linked(self, key: str, aside: str) -> bool:
        """Give the file a second name: what is written to the first later is another file."""
        with closing(self._open_root()) as root:
            try:
                with folder_of(root, key) as (here, name), folder_of(root, aside, make=True) as (there, other):
                    with suppress(FileExistsError):  # kept already, by a try that was cut off
                        os.link(name, other, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
                    os.fsync(there)
                    return True
            except OSError as error:
                if error.errno in ABSENT:
                    return False
                raise told(error) from error

    def _restored(self, aside: str, key: str) -> bool:
        """The file gets its old name back in one step, and keeps that in the trash: a try that is cut off can be
        made again."""
        temporary = TEMPORARY + self._ids.token()
        with closing(self._open_root()) as root:
            try:
                with (
                    folder_of(root, aside) as (there, other),
                    folder_of(root, key, make=True) as (here, name),
                    folder_of(root, temporary, make=True) as (tmp, own),
                ):
                    try:
                        os.link(other, own, src_dir_fd=there, dst_dir_fd=tmp, follow_symlinks=False)
                    except OSError as error:
                        if error.errno not in NO_LINKS:
                            raise
                        tmp, own = there, other
                    os.rename(own, name, src_dir_fd=tmp, dst_dir_fd=here)
                    os.fsync(here)
                    return True
            except OSError as error:
                if error.errno in ABSENT:
                    return False
                raise told(error) from error

    def _tidied(self) -> None:
        with (
            suppress(OSError, SourceMissing),
            closing(self._open_root()) as root,
            folder_of(root, f"{TEMPORARY}x") as (here, _),
        ):
            for name in os.listdir(here):
                os.unlink(name, dir_fd=here)

    def _removed(self, key: str) -> None:
        with closing(self._open_root()) as root:
            try:
                with folder_of(root, key) as (here, name):
                    os.unlink(name, dir_fd=here)
                    os.fsync(here)
            except OSError as error:
                if error.errno not in ABSENT:
                    raise told(error) from error


def _walked(root: int, mounts: list[str]) -> Iterator[Item | Trouble]:
    """All files below, by key: within a folder, files by name and folders by name with a slash behind.

    ``mounts`` is told of the folders that are on another file system than the one around them. Not recursive: a tree
    may be deeper than the interpreter's stack.
    """
    way = [(root, os.fstat(root).st_dev, _listed(root, ""))]
    try:
        while way:
            here, device, listed = way[-1]
            found = next(listed, None)
            if found is None:
                os.close(way.pop()[0])
            elif isinstance(found, Trouble):
                yield found
            elif not found[0].endswith("/"):
                yield _looked_at(found[1], found[0])
            elif isinstance(below := _folder(here, found[1].name, found[0]), Trouble):
                yield below
            else:
                way.append((below, os.fstat(below).st_dev, _listed(below, found[0])))
                if way[-1][1] != device:
                    mounts.append(found[0])
    finally:
        for descriptor, _, _ in way:
            os.close(descriptor)


def _listed(here: int, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]] | Trouble]:
    """The keys in a folder, in order, each with its entry."""
    try:
        with os.scandir(here) as entries:
            names = [
                (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries
            ]
    except OSError as error:
        yield Trouble(prefix or "/", f"cannot be listed: {error.strerror}", hides=True)
        return
    names.sort(key=itemgetter(0))
    for name, entry in names:
        if not is_reserved(prefix + name):
            yield prefix + name, entry


def _folder(here: int, name: str, key: str) -> int | Trouble:
    if len(os.fsencode(key)) > MAX_KEY_BYTES:
        return Trouble(key, "lies too deep for any key", hides=False)
    try:
        return os.open(name, FOLDER, dir_fd=here)
    except OSError as error:
        return Trouble(key, f"cannot be opened: {error.strerror}", hides=True)


def _looked_at(entry: os.DirEntry[str], key: str) -> Item | Trouble:
    try:
        check_key(key)
        if not entry.is_file(follow_symlinks=False):
            what = "is a link, which is not followed" if entry.is_symlink() else "is no regular file"
            return Trouble(key, what, hides=False)
        return item_of(key, entry.stat(follow_symlinks=False))
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
