"""What the native API says and hears, as types. OpenAPI is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kist.model.actor import Role
from kist.model.file import File, Visibility
from kist.model.query import MAX_PAGE
from kist.model.rows import Key


class FileShape(msgspec.Struct, frozen=True):
    """A file."""

    id: str
    name: str
    size: Annotated[int, Meta(description="bytes")]
    type: Annotated[str, Meta(description="the declared media type")]
    sha256: Annotated[str | None, Meta(description="lower-case hex; null unless Kist saw the bytes")]
    owner: Annotated[str, Meta(description="actor id")]
    bucket: str
    state: str
    visibility: str
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    version: Annotated[int, Meta(description="counts replacements, from 1")]

    @property
    def etag(self) -> str:
        """The strong validator of the content, unquoted: the same as the server's own (``File.etag``)."""
        return self.sha256 or f"{self.id}-{self.version}"


class FilePage(msgspec.Struct, frozen=True):
    """A page of files. ``next`` is the cursor of the page after it."""

    items: tuple[FileShape, ...]
    next: str | None


class FileChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed; what is left out stays as it is."""

    name: str | None = None
    metadata: dict[str, str] | None = None
    visibility: Visibility | None = None


class CreateQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a new file. A raw body needs the name; a form brings its own."""

    name: str | None = None
    bucket: str | None = None
    visibility: Visibility = Visibility.PRIVATE


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files, in which order."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[str | None, Meta(description="next of the page before")] = None
    sort: Annotated[
        Literal["name", "-name", "size", "-size", "created_at", "-created_at"], Meta(description="- for descending")
    ] = "-created_at"
    q: Annotated[str | None, Meta(description="part of the name, in any case")] = None
    bucket: str | None = None
    type: Annotated[str | None, Meta(description="the declared media type")] = None
    owner: Annotated[str | None, Meta(description="actor id")] = None
    shared: Annotated[
        Literal["with-me"] | None, Meta(description="instead of mine, what others let me read by a share")
    ] = None


class ContentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to show the content."""

    disposition: Annotated[
        Literal["attachment", "inline"], Meta(description="inline is granted to harmless types only")
    ] = "attachment"


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make."""

    actor: Annotated[str, Meta(description="whose key it is to be")]
    role: Literal["user", "admin"] = "user"
    label: str = ""
    expires_at: datetime | None = None


class KeyShape(msgspec.Struct, frozen=True):
    """A key, without its secret."""

    id: str
    actor: str
    role: str
    label: str
    created_at: datetime
    expires_at: datetime | None


class MadeKey(KeyShape, frozen=True):
    """A key just made. ``key`` is shown this once."""

    key: str


class KeyList(msgspec.Struct, frozen=True):
    """All keys that are not revoked."""

    items: tuple[KeyShape, ...]


class Me(msgspec.Struct, frozen=True):
    """Who is calling."""

    id: str
    role: Role


class Health(msgspec.Struct, frozen=True):
    """Whether this server can serve, and if not, what keeps it."""

    status: str
    problems: dict[str, str] = {}


def shape_file(file: File) -> FileShape:
    """A file as the native API shows it."""
    return FileShape(
        file.id,
        file.name,
        file.size,
        file.type,
        file.sha256,
        file.owner,
        file.bucket,
        file.state,
        file.visibility,
        file.metadata,
        file.created_at,
        file.updated_at,
        file.version,
    )


def shape_key(key: Key) -> KeyShape:
    """A key as the native API shows it."""
    return KeyShape(key.id, key.actor, key.role, key.label, key.created_at, key.expires_at)
