"""Walking to an object by open folders, never by a path string, so that no planted link can lead outside.

Each part of a key is opened in the folder before it, without following links. Names are bytes throughout: the file
system keeps no others.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kist.errors import AlreadyThere, BadName, BucketMissing, StoreRefused, StoreUnavailable

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
TEMPORARY = ".tmp"
"""The folder in the root for what is being written. No bucket can have this name."""

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""How the absence of an object shows: a part is missing, or is a link or a file where a folder should be."""


def split(key: str) -> tuple[list[bytes], bytes]:
    """The folders of a key and the name in the last of them."""
    *folders, name = key.encode().split(b"/")
    return folders, name


def open_root(root: Path) -> int:
    """The store's own folder. ``StoreUnavailable`` when it is gone, so that nobody takes all objects for erased."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreUnavailable("the folder of the disk store is not there: is its disk mounted?") from error


def open_bucket(root: Path, bucket: str) -> int:
    """The folder of a bucket. ``BucketMissing``, also when a link or a file has its name."""
    root_fd = open_root(root)
    try:
        return os.open(bucket, FOLDER, dir_fd=root_fd)
    except OSError as error:
        if error.errno in NOT_THERE:
            raise BucketMissing(f"there is no bucket {bucket}") from error
        raise
    finally:
        os.close(root_fd)


@contextmanager
def existing(root: Path, bucket: str, folders: Sequence[bytes]) -> Iterator[int]:
    """The descriptor of a folder in a bucket; raises as the operating system does where a part is absent."""
    here = open_bucket(root, bucket)
    try:
        for part in folders:
            here = _step(here, part)
        yield here
    finally:
        os.close(here)


@contextmanager
def made(root: Path, bucket: str, folders: Sequence[bytes]) -> Iterator[int]:
    """As ``existing``, but folders that are missing are made, durably.

    ``AlreadyThere`` when an object has the name of a folder, ``StoreRefused`` when a link has.
    """
    here = open_bucket(root, bucket)
    try:
        for part in folders:
            here = _step_or_make(here, part)
        yield here
    finally:
        os.close(here)


def _step(here: int, part: bytes) -> int:
    """The folder ``part`` in place of ``here``, which is closed; on an error ``here`` stays open."""
    inner = os.open(part, FOLDER, dir_fd=here)
    os.close(here)
    return inner


def _step_or_make(here: int, part: bytes) -> int:
    try:
        return _step(here, part)
    except FileNotFoundError:
        _make(here, part)
        return _step(here, part)
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
        raise _in_the_way(here, part, error) from error


def _make(here: int, part: bytes) -> None:
    try:
        os.mkdir(part, 0o700, dir_fd=here)
    except FileExistsError:
        return  # somebody else made it at the same moment, in a journal that our own fsync then carries along
    os.fsync(here)


def make_way(here: int, name: bytes) -> None:
    """Let an object be put at ``name``: an absent name, another object or an empty folder gives way.

    ``AlreadyThere`` when objects lie beneath it, ``StoreRefused`` when something foreign is there.
    """
    try:
        mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            os.rmdir(name, dir_fd=here)
        elif not stat.S_ISREG(mode):
            raise _foreign()
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _too_long() from error
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise AlreadyThere("objects lie beneath this key: on disk it cannot be an object as well") from error
        raise


def _in_the_way(here: int, part: bytes, error: OSError) -> Exception:
    """Why there is no folder ``part``, and none can be made. ``FileNotFoundError`` if it has just changed."""
    if error.errno == errno.ENAMETOOLONG:
        return _too_long()
    try:
        mode = os.stat(part, dir_fd=here, follow_symlinks=False).st_mode
    except FileNotFoundError as gone:
        return gone
    if stat.S_ISDIR(mode):
        return FileNotFoundError(errno.ENOENT, "somebody else has just made it")
    if stat.S_ISREG(mode):
        return AlreadyThere("an object has the name of a folder in this key: on disk it cannot be both")
    return _foreign()


def _foreign() -> StoreRefused:
    return StoreRefused("something that is neither a folder nor an object lies in the store where this key leads")


def _too_long() -> BadName:
    return BadName("a part of the key between slashes is too long for this disk: it holds 255 bytes")
