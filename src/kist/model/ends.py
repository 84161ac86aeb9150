"""The two ends of a sync as text: a folder of the server, or a bucket of this Kist with a prefix in it."""

from __future__ import annotations

import msgspec

from kist.errors import BadName, Invalid
from kist.model.place import RESERVED, check_bucket, check_key


class FolderEnd(msgspec.Struct, frozen=True):
    """A folder, by its absolute path without a slash at its end."""

    path: str

    def __str__(self) -> str:
        return self.path


class BucketEnd(msgspec.Struct, frozen=True):
    """The keys of a bucket that begin with ``prefix``, which is empty or ends with a slash."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}".rstrip("/")


End = FolderEnd | BucketEnd


def read_end(text: str) -> End:
    """The end that ``text`` means: an absolute path is a folder, anything else ``bucket`` or ``bucket/prefix``.

    ``Invalid`` for a relative folder, ``BadName`` for what cannot be a bucket or a prefix.
    """
    if text.startswith("/"):
        if "\0" in text or "/../" in f"{text}/":
            raise BadName("the path of a folder holds no .. and no NUL")
        return FolderEnd("/" + "/".join(part for part in text.split("/") if part not in ("", ".")))
    if text.startswith((".", "~")):
        raise Invalid("write the whole path of the folder, beginning with /")
    bucket, _, prefix = text.partition("/")
    check_bucket(bucket)
    prefix = prefix.strip("/")
    if prefix:
        check_key(prefix)
        prefix += "/"
    if prefix.startswith(RESERVED):
        raise BadName("what begins with .kist/ is Kist's own: no sync goes there")
    return BucketEnd(bucket, prefix)


def overlap(one: End, other: End) -> bool:
    """Whether what one of them means holds anything of the other."""
    if isinstance(one, FolderEnd) and isinstance(other, FolderEnd):
        return _within(f"{one.path}/", f"{other.path}/")
    if isinstance(one, BucketEnd) and isinstance(other, BucketEnd):
        return one.bucket == other.bucket and _within(one.prefix, other.prefix)
    return False


def _within(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
