"""What an owner is charged: open uploads, files and bytes, in the commit that changes them.

A limit is judged in that commit as well: of many uploads at once, just as many are let in as there is room for.
"""

from __future__ import annotations

from kist.errors import Clash, KistError, OverQuota, TooMany
from kist.model.changes import Change, Count, Counter
from kist.model.file import File
from kist.model.limits import Limits
from kist.model.upload import Upload

COME_BACK = 60
"""Seconds after which an upload may have ended."""


def reserved(upload: Upload, limits: Limits) -> tuple[Change, ...]:
    """At the start: one open upload, one file if it makes one, and the bytes that were declared."""
    return _counts(upload.owner, limits, uploads=1, files=int(upload.new), bytes=upload.reserved)


def released(upload: Upload, limits: Limits) -> tuple[Change, ...]:
    """When an upload ends without a file: everything that was reserved."""
    return _counts(upload.owner, limits, uploads=-1, files=-int(upload.new), bytes=-upload.reserved)


def settled(upload: Upload, before: File, after: File, limits: Limits) -> tuple[Change, ...]:
    """When an upload has made ``after`` out of ``before``: what the bytes really are, instead of what was reserved."""
    replaced = 0 if upload.new else before.size
    return _counts(upload.owner, limits, uploads=-1, bytes=after.size - upload.reserved - replaced)


def taken_in(file: File) -> tuple[Change, ...]:
    """When an object that was there already becomes a file: it counts, whatever the limits are."""
    counts = ((Counter.FILES, 1), (Counter.BYTES, file.size))
    return tuple(Count(owner=file.owner, counter=counter, by=by) for counter, by in counts if by)


def freed(file: File, limits: Limits) -> tuple[Change, ...]:
    """When a file is removed."""
    return _counts(file.owner, limits, files=-1, bytes=-file.size)


def over(change: Change | None, clash: Clash) -> KistError:
    """What a caller is told whose commit clashed at ``change``: the limit, where that is what it would exceed."""
    match change:
        case Count(counter=Counter.UPLOADS, at_most=limit):
            message = f"at most {limit} uploads may be open at a time: finish or abort one first"
            return TooMany(message, limit=limit, after=COME_BACK)
        case Count(counter=counter, at_most=limit):
            message = f"the quota of {limit} {counter.value} would be exceeded: remove files first"
            return OverQuota(message, limit=limit, quota=counter.value)
    return clash


def _counts(owner: str, limits: Limits, *, uploads: int = 0, files: int = 0, bytes: int = 0) -> tuple[Change, ...]:
    moved = (
        (Counter.UPLOADS, uploads, limits.open_uploads),
        (Counter.FILES, files, limits.quota_files),
        (Counter.BYTES, bytes, limits.quota_bytes),
    )
    return tuple(
        Count(owner=owner, counter=counter, by=by, at_most=limit if by > 0 else None)
        for counter, by, limit in moved
        if by
    )
