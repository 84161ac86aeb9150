"""An object open for reading. The descriptor pins the bytes: replacing or erasing the object does not disturb it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from kist.errors import BucketMissing, Corrupt, ObjectMissing, Stale
from kist.model.content import Condition, Span, Stored
from kist.model.place import Place
from kist.stores.disk.facts import etag_of, is_object, stored
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import NOT_THERE, existing, split

BLOCK = 1024 * 1024
"""Bytes per read."""

# Not blocking: opening a pipe that somebody planted must not wait for its writer.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NO_FILE = (*NOT_THERE, errno.ENXIO)


class Reader:
    """An open object and the bytes of it, from ``start`` up to ``stop``, that are still to be read."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.status = os.fstat(fd)
        self.start = 0
        self.stop = self.status.st_size

    @translated
    def next(self) -> bytes:
        """The next block; the last one closes. ``Corrupt`` when the file ends before ``stop``."""
        try:
            block = os.pread(self.fd, min(BLOCK, self.stop - self.start), self.start)
        except OSError as error:
            if error.errno == errno.EIO:
                raise Corrupt("the disk cannot read this object") from error
            raise
        if not block:
            raise Corrupt("the object is shorter than it was when it was opened")
        self.start += len(block)
        if self.start == self.stop:
            self.close()
        return block

    def close(self) -> None:
        """Free the descriptor. May be called twice."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()  # a caller who was cancelled while another thread opened it never got hold of it


@translated
def open_object(root: Path, place: Place) -> Reader:
    """``ObjectMissing``, also for a link and whatever else is no file."""
    folders, name = split(place.key)
    try:
        with existing(root, place.bucket, folders) as here:
            reader = Reader(os.open(name, READ, dir_fd=here))
    except BucketMissing as error:
        raise missing(place) from error
    except OSError as error:
        if error.errno in _NO_FILE:
            raise missing(place) from error
        raise
    if not is_object(reader.status):
        reader.close()
        raise missing(place)
    return reader


@translated
def open_span(root: Path, place: Place, span: Span | None, only_if: Condition | None) -> tuple[Reader, bytes]:
    """The object and its first block if that is all there is to read: small reads then cost one call."""
    reader = open_object(root, place)
    if only_if is not None and only_if.etag != etag_of(reader.status):
        raise Stale("the object is no longer the version that was asked for")
    if span is not None:
        span.within(reader.stop)
        reader.start, reader.stop = span.start, span.stop
    if reader.start == reader.stop:
        reader.close()
    elif reader.stop - reader.start <= BLOCK:
        return reader, reader.next()
    else:
        os.posix_fadvise(reader.fd, reader.start, reader.stop - reader.start, os.POSIX_FADV_SEQUENTIAL)
    return reader, b""


@translated
def head(root: Path, place: Place) -> Stored | None:
    """What is known of the object, None when there is none."""
    folders, name = split(place.key)
    try:
        with existing(root, place.bucket, folders) as here:
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
    except BucketMissing:
        return None
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    return stored(place, status) if is_object(status) else None


def heads(root: Path, places: tuple[Place, ...]) -> tuple[Stored | None, ...]:
    """``head`` of many."""
    return tuple(head(root, place) for place in places)


def missing(place: Place) -> ObjectMissing:
    """Also for a place in a bucket that is not there: to a reader both are absence."""
    return ObjectMissing(f"there is no object {place.key} in {place.bucket}")
