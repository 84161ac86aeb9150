"""A file on its way in: temporary until it gets its name in one step, or nothing at all.

The order makes it durable: the bytes are synced before the name exists, and the folder that holds the name is synced
before anybody is told.
"""

from __future__ import annotations

import errno
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from kist.errors import Corrupt, StoreUnavailable
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import FOLDER, TEMPORARY, open_root
from kist.stores.disk.reader import Reader

T = TypeVar("T")

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BUFFERS = 512  # of one writev: the system's limit is 1024
_STRETCH = 64 * 1024 * 1024
_NO_SHARING = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Temporary(ABC, Generic[T]):
    """One file that becomes a ``T``. Its methods block; any thread may call them, also after the caller gave up.

    A caller who is cancelled while a method runs in another thread drops the file: the lock lets that method finish
    before its file is closed, so that no late write can hit a descriptor that means something else by then.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._folder = -1
        self._file = -1
        self._refused = False

    @property
    def begun(self) -> bool:
        return self._folder >= 0

    @translated
    def write(self, blocks: Sequence[bytes]) -> None:
        """Add ``blocks`` at the end. The first call makes the file, and raises when there is no place for it."""
        with self._lock:
            self._begin()
            self._add(blocks)

    @translated
    def finish(self, blocks: Sequence[bytes], modified: int) -> T:
        """Add the last ``blocks``, sync and give the file its name. On an error nothing is left."""
        try:
            with self._lock:
                self._begin()
                self._add(blocks)
                self._end()
                os.utime(self._file, ns=(modified, modified))
                os.fsync(self._file)  # when it fails the bytes may be lost: trying again would only seem to help
                status = os.fstat(self._file)
                self._publish()
            return self._made(status)
        finally:
            self.drop()

    @translated
    def take(self, source: Reader) -> None:
        """Add the next stretch of another file. ``Corrupt`` when it is shorter than it was."""
        with self._lock:
            self._begin()
            copied = _copy(source.fd, self._file, min(_STRETCH, source.stop - source.start), source.start)
            if not copied:
                raise Corrupt("the object is shorter than it was when it was opened")
            source.start += copied

    def refuse(self) -> None:
        """Let nothing more begin: what another thread has not yet done for this file will fail. Never blocks."""
        self._refused = True

    def drop(self) -> None:
        """Remove the file unless it has got its name, and free what is held. May be called twice."""
        self.refuse()
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            if self._folder >= 0:
                with suppress(OSError):  # gone when published; else ``clear`` finds it by its name
                    os.unlink(self._name, dir_fd=self._folder)
                os.close(self._folder)
            self._file = self._folder = -1

    def _begin(self) -> None:
        self._open()
        if self._file < 0:
            self._file = os.open(self._name, NEW_FILE, 0o600, dir_fd=self._folder)

    def _open(self) -> None:
        if self._refused:
            raise StoreUnavailable("the put was given up")
        if self._folder < 0:
            self._folder = self._open_folder()

    def _add(self, blocks: Sequence[bytes]) -> None:
        write_all(self._file, blocks)

    def _end(self) -> None:
        """What is to be written behind the last block: nothing."""

    @abstractmethod
    def _open_folder(self) -> int:
        """The folder in which the file is temporary."""

    @abstractmethod
    def _publish(self) -> None:
        """Give the file its name, durably."""

    @abstractmethod
    def _made(self, status: os.stat_result) -> T:
        """What the file has become."""


def open_temporary(root: Path) -> int:
    """The folder of temporary files, made when there is none yet."""
    root_fd = open_root(root)
    try:
        with suppress(FileNotFoundError):
            return os.open(TEMPORARY, FOLDER, dir_fd=root_fd)
        with suppress(FileExistsError):
            os.mkdir(TEMPORARY, 0o700, dir_fd=root_fd)
        return os.open(TEMPORARY, FOLDER, dir_fd=root_fd)
    finally:
        os.close(root_fd)


def write_all(file: int, blocks: Sequence[bytes]) -> None:
    """All of ``blocks``, however few bytes the system takes at a time."""
    for start in range(0, len(blocks), _MOST_BUFFERS):
        some = blocks[start : start + _MOST_BUFFERS]
        written = os.writev(file, some)
        if written < sum(map(len, some)):  # a nearly full disk takes a part and refuses the rest at the next try
            rest = memoryview(b"".join(some))[written:]
            while rest:
                rest = rest[os.write(file, rest) :]


def _copy(source: int, target: int, count: int, start: int) -> int:
    """Up to ``count`` bytes from ``start``: shared blocks where the file system can, else copied by the kernel."""
    try:
        return os.copy_file_range(source, target, count, start)
    except OSError as error:
        if error.errno not in _NO_SHARING:
            raise
    return os.sendfile(target, source, start, count)
