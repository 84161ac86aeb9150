"""What is known of an object from its file alone: nothing else is kept beside the bytes."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta

from kist.model.content import Stored
from kist.model.place import Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def etag_of(status: os.stat_result) -> str:
    """Another for every content: a replacement is a new file while the old one exists, an edit moves the time."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def modified_of(status: os.stat_result) -> datetime:
    """When the bytes were put or last edited, in microseconds."""
    return _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)


def nanoseconds(moment: datetime) -> int:
    """The moment as the file system counts time."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def stored(place: Place, status: os.stat_result) -> Stored:
    """What the store says of the object."""
    return Stored(place=place, size=status.st_size, etag=etag_of(status), modified=modified_of(status))


def is_object(status: os.stat_result) -> bool:
    """Links, pipes and devices are none."""
    return stat.S_ISREG(status.st_mode)
