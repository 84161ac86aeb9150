"""What an owner is charged: open uploads, files and bytes, in the commit that changes them."""

from __future__ import annotations

from kist.model.changes import Change, Count, Counter
from kist.model.file import File
from kist.model.upload import Upload


def reserved(upload: Upload) -> tuple[Change, ...]:
    """At the start: one open upload, one file if it makes one, and the bytes that were declared."""
    return _counts(upload.owner, uploads=1, files=int(upload.new), bytes=upload.reserved)


def released(upload: Upload) -> tuple[Change, ...]:
    """When an upload ends without a file: everything that was reserved."""
    return _counts(upload.owner, uploads=-1, files=-int(upload.new), bytes=-upload.reserved)


def settled(upload: Upload, before: File, after: File) -> tuple[Change, ...]:
    """When an upload has made ``after`` out of ``before``: what the bytes really are, instead of what was reserved."""
    replaced = 0 if upload.new else before.size
    return _counts(upload.owner, uploads=-1, bytes=after.size - upload.reserved - replaced)


def freed(file: File) -> tuple[Change, ...]:
    """When a file is removed."""
    return _counts(file.owner, files=-1, bytes=-file.size)


def _counts(owner: str, *, uploads: int = 0, files: int = 0, bytes: int = 0) -> tuple[Change, ...]:
    moved = ((Counter.UPLOADS, uploads), (Counter.FILES, files), (Counter.BYTES, bytes))
    return tuple(Count(owner=owner, counter=counter, by=by) for counter, by in moved if by)
