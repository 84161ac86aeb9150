"""A file: a row that somebody owns."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from kist.model.place import Place


class FileState(StrEnum):
    PENDING = "pending"
    READY = "ready"
    REMOVED = "removed"
    LOST = "lost"


class Visibility(StrEnum):
    """Who beside the owner and those with a share may do what. The words are those of S3's canned ACLs.

    ``public-read``: anybody may read the content, without a key. ``authenticated-read``: anybody with a key may read
    the file. ``public-read-write``: as public-read, and anybody with a key may replace the content.
    """

    PRIVATE = "private"
    PUBLIC_READ = "public-read"
    AUTHENTICATED_READ = "authenticated-read"
    PUBLIC_READ_WRITE = "public-read-write"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the catalogue holds it.

    ``type`` is the declared media type, ``detected`` the one seen in the first bytes (None: not recognised).
    ``sha256`` is lower-case hex, None unless Kist saw the bytes. ``version`` counts replacements, from 1.
    ``size`` is 0 and ``sha256`` None while the file is pending.
    """

    id: str
    name: str
    owner: str
    bucket: str
    key: str
    state: FileState
    created_at: datetime
    updated_at: datetime
    size: int = 0
    type: str = "application/octet-stream"
    detected: str | None = None
    sha256: str | None = None
    visibility: Visibility = Visibility.PRIVATE
    metadata: dict[str, str] = {}
    version: int = 1
    address: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.bucket, self.key)

    @property
    def etag(self) -> str:
        """Strong validator of the content (RFC 9110 §8.8.3), unquoted."""
        return self.sha256 or f"{self.id}-{self.version}"
