"""What stores take and give: spans, rules for a put, and what is known of an object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import msgspec

from kist.errors import BadRange
from kist.model.place import Place


class Span(msgspec.Struct, frozen=True):
    """The bytes from ``start`` up to, not including, ``stop``. Never empty."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise BadRange(f"no bytes lie between {self.start} and {self.stop}")

    @property
    def length(self) -> int:
        return self.stop - self.start

    def within(self, size: int) -> Span:
        """This span, or ``BadRange`` when it reaches beyond ``size`` bytes."""
        if self.stop > size:
            raise BadRange(f"the range ends at byte {self.stop}, the content has {size}", size=size)
        return self


class PutRules(msgspec.Struct, frozen=True, kw_only=True):
    """How an object is to be stored.

    ``type``: the media type kept with it. ``size``: its size in bytes where the sender knows it, else None.
    ``acl``: the canned ACL that it is to have where the store holds ACLs; None for the store's own default.
    ``only_new``: ``AlreadyThere`` where an object is there already, as far as the store can tell in that instant.
    """

    type: str = "application/octet-stream"
    size: int | None = None
    acl: str | None = None
    only_new: bool = False


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says of an object. ``etag`` is unquoted and opaque; ``type`` is None where none is kept."""

    place: Place
    size: int
    etag: str
    modified: datetime
    type: str | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a listing: the key as it is, which need not be one that a ``Place`` can hold."""

    key: str
    size: int
    etag: str
    modified: datetime


class Condition(msgspec.Struct, frozen=True):
    """Read only if the object still has this (unquoted) etag."""

    etag: str


class Opened:
    """An object open for reading: iterate ``body`` once, then (always) await ``close``."""

    __slots__ = ("_close", "body", "span", "stored")

    def __init__(
        self, stored: Stored, span: Span | None, body: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]
    ) -> None:
        self.stored = stored
        self.span = span
        self.body = body
        self._close = close

    async def close(self) -> None:
        """Free the connection or file, also when the body was not read to its end. May be called twice."""
        await self._close()


class PartRef(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a multipart upload as the store knows it. ``number`` runs from 1 to 10,000."""

    number: int
    etag: str
    size: int


class OpenParts(msgspec.Struct, frozen=True, kw_only=True):
    """A multipart upload that was started and neither finished nor dropped."""

    key: str
    parts_id: str
    started: datetime


class StoredBucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket as the store lists it."""

    name: str
    created: datetime


class CorsRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which browser pages may talk to a bucket."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int = 3600


class FormLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed upload form allows: a size range in bytes (both ends included) and exact fields."""

    min_size: int = 0
    max_size: int
    fields: tuple[tuple[str, str], ...] = ()


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that its holder may make without credentials, exactly as it stands."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    expires_at: datetime


class SignedForm(msgspec.Struct, frozen=True, kw_only=True):
    """A form that its holder may post, with ``fields`` first, in this order, and the part ``file`` last."""

    url: str
    fields: tuple[tuple[str, str], ...]
    expires_at: datetime
