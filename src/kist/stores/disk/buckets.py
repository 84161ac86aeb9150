"""Buckets as folders of the store's root."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from kist.errors import AlreadyThere, BadName, BucketMissing, BucketNotEmpty
from kist.model.content import StoredBucket
from kist.model.place import check_bucket
from kist.stores.disk.facts import modified_of
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import open_bucket, open_root


@translated
def buckets(root: Path) -> tuple[StoredBucket, ...]:
    """The folders in the root whose names can be those of buckets.

    A file system does not tell when a folder was made: ``created`` is when something directly in it last changed.
    """
    if not root.exists():
        return ()
    root_fd = open_root(root)
    try:
        names = sorted(name for name in os.listdir(root_fd) if _is_legal(name))
        return tuple(bucket for name in names if (bucket := _bucket(root_fd, name)))
    finally:
        os.close(root_fd)


def _bucket(root_fd: int, name: str) -> StoredBucket | None:
    try:
        status = os.stat(name, dir_fd=root_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None  # dropped since its name was read
    return StoredBucket(name=name, created=modified_of(status)) if stat.S_ISDIR(status.st_mode) else None


@translated
def make_bucket(root: Path, name: str) -> None:
    """Make the folder, and the root if need be, durably and for this user alone."""
    check_bucket(name)
    _make_root(root)
    root_fd = open_root(root)
    try:
        os.mkdir(name, 0o700, dir_fd=root_fd)
        os.fsync(root_fd)
    except FileExistsError as error:
        raise AlreadyThere(f"there is a bucket {name} already") from error
    finally:
        os.close(root_fd)


@translated
def drop_bucket(root: Path, name: str) -> None:
    """Remove the folder if no file is anywhere in it. Empty folders in it go too."""
    os.close(open_bucket(root, name))
    root_fd = open_root(root)
    try:
        _refuse_files(root_fd, name)
        _remove_empty_folders(root_fd, name)
        os.rmdir(name, dir_fd=root_fd)  # which alone tells that it is gone: others may remove empty folders in it
        os.fsync(root_fd)
    except FileNotFoundError as error:
        raise BucketMissing(f"there is no bucket {name}") from error
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _not_empty(name) from error  # something came in while we looked
        raise
    finally:
        os.close(root_fd)


def _refuse_files(root_fd: int, name: str) -> None:
    for _, _, files, _ in os.fwalk(name, onerror=_raise_unless_gone, dir_fd=root_fd):
        if files:
            raise _not_empty(name)


def _remove_empty_folders(root_fd: int, name: str) -> None:
    for _, folders, _, here in os.fwalk(name, topdown=False, onerror=_raise_unless_gone, dir_fd=root_fd):
        for folder in folders:
            with suppress(FileNotFoundError):
                os.rmdir(folder, dir_fd=here)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _not_empty(name: str) -> BucketNotEmpty:
    return BucketNotEmpty(f"the bucket {name} holds objects: remove them first")


def _is_legal(name: str) -> bool:
    try:
        check_bucket(name)
    except BadName:
        return False
    return True


def _make_root(root: Path) -> None:
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
