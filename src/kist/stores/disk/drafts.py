"""An object on its way in: a temporary file that becomes the object in one step, or nothing at all.

The order makes it durable: the bytes are synced before the name exists, and the folder that holds the name is synced
before anybody is told.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kist.errors import Corrupt, StoreUnavailable
from kist.model.content import Stored
from kist.model.place import Place
from kist.stores.disk.facts import stored
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import FOLDER, TEMPORARY, made, make_way, open_bucket, open_root, split
from kist.stores.disk.reader import Reader

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BUFFERS = 512  # of one writev: the system's limit is 1024
_MOST_TRIES = 1000
_STRETCH = 64 * 1024 * 1024
_NO_SHARING = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Draft:
    """One put. Its methods block; they may be called from any thread, also after the caller has given up.

    A caller who is cancelled while a method runs in another thread drops the draft: the lock lets that method finish
    before its file is closed, so that no late write can hit a descriptor that means something else by then.
    """

    def __init__(self, root: Path, place: Place, token: str) -> None:
        self._root = root
        self._place = place
        self._name = f"{mark(place)}-{token}"
        self._lock = threading.Lock()
        self._folder = -1
        self._file = -1
        self._refused = False

    @property
    def begun(self) -> bool:
        return self._folder >= 0

    @translated
    def write(self, blocks: Sequence[bytes]) -> None:
        """Add ``blocks`` at the end. The first call makes the file. ``BucketMissing``."""
        with self._lock:
            self._begin()
            _write_all(self._file, blocks)

    @translated
    def finish(self, blocks: Sequence[bytes], modified: int) -> Stored:
        """Add the last ``blocks``, sync and put the object in its place. On an error nothing is left."""
        try:
            with self._lock:
                self._begin()
                _write_all(self._file, blocks)
                os.utime(self._file, ns=(modified, modified))
                os.fsync(self._file)  # when it fails the bytes may be lost: trying again would only seem to help
                status = os.fstat(self._file)
                self._publish()
            return stored(self._place, status)
        finally:
            self.drop()

    @translated
    def take(self, source: Reader) -> None:
        """Add the next stretch of another object. ``Corrupt`` when it is shorter than it was."""
        with self._lock:
            self._begin()
            copied = _copy(source.fd, self._file, min(_STRETCH, source.stop - source.start), source.start)
            if not copied:
                raise Corrupt("the object is shorter than it was when it was opened")
            source.start += copied

    def refuse(self) -> None:
        """Let nothing more begin: what another thread has not yet done for this draft will fail. Never blocks."""
        self._refused = True

    def drop(self) -> None:
        """Remove the file unless it has become the object, and free what is held. May be called twice."""
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
        if self._refused:
            raise StoreUnavailable("the put was given up")
        if self._file >= 0:
            return
        os.close(open_bucket(self._root, self._place.bucket))
        self._folder = _open_temporary(self._root)
        self._file = os.open(self._name, _NEW_FILE, 0o600, dir_fd=self._folder)

    def _publish(self) -> None:
        """Give the file its name. Tries again when an erase has just removed a folder on the way as empty."""
        folders, name = split(self._place.key)
        for _ in range(_MOST_TRIES):
            try:
                with made(self._root, self._place.bucket, folders) as here:
                    make_way(here, name)
                    if self._refused:
                        raise StoreUnavailable("the put was given up")
                    os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=here)
                    os.fsync(here)
                    return
            except FileNotFoundError:
                os.stat(self._name, dir_fd=self._folder)  # cleared away meanwhile: no use in trying again
        raise StoreUnavailable("the folders of this key kept being removed")


def mark(place: Place) -> str:
    """How the temporary files of a place begin."""
    return hashlib.sha256(f"{place.bucket}/{place.key}".encode()).hexdigest()[:32]


@translated
def clear(root: Path, place: Place) -> None:
    """Remove the temporary files that cut-off puts left behind for ``place``."""
    folder = _open_temporary(root)
    try:
        for name in os.listdir(folder):
            if name.startswith(mark(place)):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)


def _open_temporary(root: Path) -> int:
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


def _write_all(file: int, blocks: Sequence[bytes]) -> None:
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
