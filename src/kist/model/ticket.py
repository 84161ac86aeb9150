"""A ticket: all that a client needs to bring in the bytes by itself."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kist.errors import Invalid
from kist.model.limits import GIB
from kist.model.upload import Upload, Way

MOST_PARTS = 10_000
SMALLEST_PART = 8 * 1024**2
FIRST_PARTS = 100
"""How many parts come signed with a ticket, and how many may be signed in one call."""
MOST_IN_ONE = 5 * GIB
"""The largest object that one request may bring to S3."""

_MIB = 1024**2

Pairs = tuple[tuple[str, str], ...]


class SignedPart(msgspec.Struct, frozen=True, kw_only=True):
    """Where one part is to be put, with which headers."""

    number: int
    url: str
    headers: Pairs


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where. The client sends exactly the ``headers``, or the ``fields`` and then the part ``file``.

    ``expires_at``: when the signatures end. ``parts``: the first of the parts, where ``upload.way`` is parts.
    """

    upload: Upload
    expires_at: datetime
    method: str | None = None
    url: str | None = None
    headers: Pairs = ()
    fields: Pairs = ()
    parts: tuple[SignedPart, ...] = ()


def part_size(size: int) -> int:
    """How large the parts of ``size`` bytes are: 8 MiB, or as many whole MiB as keep them within 10,000."""
    least = -(-size // MOST_PARTS)
    return max(SMALLEST_PART, -(-least // _MIB) * _MIB)


def part_count(upload: Upload) -> int:
    """How many parts an upload has; an empty file has one."""
    size, step = _parted(upload)
    return max(1, -(-size // step))


def length_of_part(upload: Upload, number: int) -> int:
    """How many bytes part ``number`` has. ``Invalid`` for a number that the upload does not have."""
    size, step = _parted(upload)
    if not 1 <= number <= part_count(upload):
        raise Invalid(f"this upload has the parts 1 to {part_count(upload)}", parts=part_count(upload))
    return min(step, size - (number - 1) * step)


def _parted(upload: Upload) -> tuple[int, int]:
    if upload.way is not Way.PARTS or upload.size is None or upload.part_size is None:
        raise Invalid("this upload does not come in parts")
    return upload.size, upload.part_size
