"""Where an object is. The guard against escaping sits in the constructor, so that no store can forget it."""

from __future__ import annotations

import re

import msgspec

from kist.errors import BadName
from kist.model.names import check_parts

RESERVED = ".kist/"
"""Prefix of everything that is Kist's own in a bucket."""
STAGING = ".kist/in/"
PARTS = ".kist/parts/"
OBJECTS = ".kist/objects/"
TRASH = ".kist/trash/"

MAX_KEY_BYTES = 1024

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Place(msgspec.Struct, frozen=True):
    """Bucket and key of one object.

    The bucket follows the S3 naming rules without dots (3 to 63 of a-z, 0-9 and ``-``). The key is 1 to 1024 bytes
    of UTF-8 without control characters, without a leading slash and without empty, ``.`` or ``..`` parts.
    Raises ``BadName`` otherwise, so whoever holds a ``Place`` holds one that cannot escape its bucket.
    """

    bucket: str
    key: str

    def __post_init__(self) -> None:
        check_bucket(self.bucket)
        check_key(self.key)


def check_bucket(name: str) -> None:
    """Raise ``BadName`` unless ``name`` is a legal bucket name."""
    if not _BUCKET.fullmatch(name):
        raise BadName(f"{name!r} is no bucket name: 3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends")


def check_key(key: str) -> None:
    """Raise ``BadName`` unless ``key`` is a key that every store can hold safely."""
    if not key or _CONTROL.search(key) or len(key.encode()) > MAX_KEY_BYTES:
        raise BadName(f"an object key is 1 to {MAX_KEY_BYTES} bytes of UTF-8 without control characters")
    if "\\" in key:
        raise BadName("an object key cannot hold a backslash")
    check_parts(key, "object key")
