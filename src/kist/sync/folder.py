"""A local folder as one side of a sync. Everything is reached from the folder's descriptor, step by step, no links."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from kist.errors import KistError, ObjectMissing, SourceMissing, Stale
from kist.model.content import Span
from kist.model.place import TRASH
from kist.ports.system import Ids
from kist.ports.tree import Item, Trouble
from kist.ports.wiring import Aside
from kist.sync.local import (
    ABSENT,
    FOLDER,
    READ,
    SMALL,
    TEMPORARY,
    Digest,
    Draft,
    FileReading,
    Held,
    closing,
    folder_of,
    item_of,
    link_or_copy,
    prints_in,
    read_in,
    told,
)
from kist.sync.reserved import check_synced
from kist.sync.walk import walked


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
        walk = walked(await self._aside(self._open_root), self._mounts)
        try:
            while (batch := await self._aside(next, walk, None)) is not None:
                yield batch
        finally:
            with suppress(ValueError):  # a thread that nobody can call back is still at it
                walk.close()

    async def item(self, key: str) -> Item | None:
        return await self._aside(self._item, key)

    async def prints(self, items: Sequence[Item], settled: int) -> list[str]:
        """By the time of the last change, which nobody can set: a file may be written to and keep its etag."""
        return await self._aside(self._prints, items, settled)

    async def open(self, item: Item, span: Span | None = None) -> FileReading | Held:
        """A span, and what is small, is read at once: a turn in a thread costs more than a small file."""
        if span is not None or 0 < item.size <= SMALL:
            return Held(await self._aside(self._read, item, span or Span(0, item.size)))
        return FileReading(await self._aside(self._opened, item), item, self._aside)

    async def read_small(self, items: Sequence[Item]) -> list[bytes | KistError]:
        """The bytes of each of a few small items, or what went wrong: ``ObjectMissing``, ``Stale``."""
        return await self._aside(self._read_small, items)

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

    async def tidy(self, before: float, ours: Callable[[str], Awaitable[bool]]) -> None:
        """Remove what was on its way in when a process was killed: only one job at a time writes to a folder.

        And what was put aside ``before``, in seconds since the epoch: no chore comes to a folder. ``ours``: whether an
        ended job of this Kist has put that aside; others may have a trash there too.
        """
        old = [name for name in await self._aside(self._put_aside, before) if await ours(f"{TRASH}{name}/")]
        await self._aside(self._tidied, old)

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
            await self.drop(draft)

    def draft(self, size: int) -> Draft:
        """A file on its way in, whose blocks may come in any order. Drop it in any case."""
        return Draft(self._open_root, self._ids.token(), size)

    async def begin(self, draft: Draft) -> None:
        """Make a draft's file."""
        await self._aside(draft.open)

    async def write_block(self, draft: Draft, block: bytes, at: int, digest: Digest | None = None) -> None:
        """Write a block of a draft where it belongs, and add it to ``digest``."""
        await self._aside(draft.write, block, at, digest)

    async def drop(self, draft: Draft) -> None:
        """Give up what has not been published. Never raises; waits for threads that are at work on it."""
        await self._aside(draft.drop)

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
                    descriptor = os.open(name, READ, dir_fd=here)
            except OSError as error:
                if error.errno in ABSENT:
                    raise ObjectMissing(f"{item.key} is no longer there") from error
                raise told(error) from error
        if item_of(item.key, os.fstat(descriptor)) != item:
            os.close(descriptor)
            raise Stale(f"{item.key} has changed since it was listed")
        return descriptor

    def _read_small(self, items: Sequence[Item]) -> list[bytes | KistError]:
        try:
            with closing(self._open_root()) as root:
                found: list[bytes | KistError] = []
                for _, together in groupby(items, lambda item: item.key.rpartition("/")[0]):
                    found += read_in(root, list(together))
                return found
        except KistError as error:
            return [error] * len(items)

    def _prints(self, items: Sequence[Item], settled: int) -> list[str]:
        with closing(self._open_root()) as root:
            found: list[str] = []
            for _, together in groupby(items, lambda item: item.key.rpartition("/")[0]):
                found += prints_in(root, list(together), settled)
            return found

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
        """Give the file a second name: what is written to the first later is another file. Or copy it, where the
        file system has no such names."""
        with closing(self._open_root()) as root:
            try:
                with folder_of(root, key) as (here, name), folder_of(root, aside, make=True) as (there, other):
                    with suppress(FileExistsError):  # kept already, by a try that was cut off
                        link_or_copy(root, here, name, there, other, TEMPORARY + self._ids.token())
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
                    link_or_copy(root, there, other, tmp, own, TEMPORARY + self._ids.token())
                    os.rename(own, name, src_dir_fd=tmp, dst_dir_fd=here)
                    os.fsync(here)
                    return True
            except OSError as error:
                if error.errno in ABSENT:
                    return False
                raise told(error) from error

    def _put_aside(self, before: float) -> list[str]:
        """The folders of the trash that have not changed since ``before``."""
        with suppress(OSError, SourceMissing), closing(self._open_root()) as root, folder_of(root, TRASH + "x") as way:
            names = sorted(os.listdir(way[0]))
            return [name for name in names if os.stat(name, dir_fd=way[0], follow_symlinks=False).st_mtime < before]
        return []

    def _tidied(self, old: list[str]) -> None:
        with suppress(OSError, SourceMissing), closing(self._open_root()) as root, folder_of(root, TRASH + "x") as way:
            for name in old:
                with suppress(OSError):  # somebody's own file, say: the others go all the same
                    shutil.rmtree(name, dir_fd=way[0])
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
