"""Questions to the catalogue, and pages of answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from kist.errors import Invalid

MAX_PAGE = 1000

T = TypeVar("T")


class Sort(StrEnum):
    NAME = "name"
    SIZE = "size"
    CREATED = "created_at"


class Cursor(msgspec.Struct, frozen=True):
    """Where a page ended: the sort value and the id of its last item."""

    value: str | int | datetime
    id: str


class FileQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which ready files, in which order.

    ``visible_to`` is the id of the actor who asks, None for an admin, who sees all; nobody unless the service says
    so. ``owner``, ``bucket``, ``name`` and ``type`` (the declared one) narrow by equality; ``text`` is a substring of
    the name, compared folded. ``shared_with`` is the id of an actor: then only files that a share, live at ``now``,
    lets that actor read, whoever owns them; ``visible_to`` plays no part. Ties in the sort value are broken by id, in
    the same direction. Names sort by UTF-8 bytes.
    ``limit`` is 1 to 1000.
    """

    visible_to: str | None = ""
    shared_with: str | None = None
    now: datetime | None = None
    owner: str | None = None
    bucket: str | None = None
    name: str | None = None
    type: str | None = None
    text: str | None = None
    sort: Sort = Sort.CREATED
    descending: bool = True
    after: Cursor | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise Invalid(f"a page has 1 to {MAX_PAGE} items, not {self.limit}", limit=MAX_PAGE)
        if self.after is not None and not isinstance(self.after.value, _VALUE_TYPES[self.sort]):
            raise Invalid("the cursor belongs to another sort order: start again without it")
        if (self.shared_with is None) != (self.now is None):
            raise Invalid("a list of what is shared needs the time at which it is")


_VALUE_TYPES: dict[Sort, type] = {Sort.NAME: str, Sort.SIZE: int, Sort.CREATED: datetime}


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items and, unless this is the last page, where the next one begins."""

    items: tuple[T, ...]
    next: Cursor | None = None
