"""Cursors as opaque text: the sort order, the last value and the last id."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from kist.dialects.native.shapes import FilePage, ListQuery, shape_file
from kist.errors import Invalid
from kist.model.file import File
from kist.model.query import Cursor, FileQuery, Page, Sort

_BY_TIME = "time"
_encode = msgspec.json.Encoder().encode
_Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_decoders: dict[Sort, msgspec.json.Decoder[Any]] = {
    Sort.NAME: msgspec.json.Decoder(tuple[str, str, str]),
    Sort.SIZE: msgspec.json.Decoder(tuple[str, _Size, str]),
    Sort.CREATED: msgspec.json.Decoder(tuple[str, _Time, str]),
}


def file_query(asked: ListQuery) -> FileQuery:
    """What the catalogue is asked for. ``Invalid`` for a cursor that was not made here or for another order."""
    sort = Sort(asked.sort.lstrip("-"))
    return FileQuery(
        owner=asked.owner,
        bucket=asked.bucket,
        type=asked.type,
        text=asked.q,
        sort=sort,
        descending=asked.sort.startswith("-"),
        after=_read_cursor(asked.cursor, asked.sort, sort) if asked.cursor else None,
        limit=asked.limit,
    )


def file_page(page: Page[File], asked: ListQuery) -> FilePage:
    """A page as the native API shows it."""
    cursor = None if page.next is None else _write_cursor(page.next, asked.sort)
    return FilePage(tuple(shape_file(file) for file in page.items), cursor)


def _write_cursor(cursor: Cursor, order: str) -> str:
    return urlsafe_b64encode(_encode((order, cursor.value, cursor.id))).decode().rstrip("=")


def write_time_cursor(cursor: Cursor | None) -> str | None:
    """The cursor of a list that is ordered by time alone."""
    return None if cursor is None else _write_cursor(cursor, _BY_TIME)


def read_time_cursor(text: str | None) -> Cursor | None:
    """``Invalid`` for one that was not made by ``write_time_cursor``."""
    return None if not text else _read_cursor(text, _BY_TIME, Sort.CREATED)


def _read_cursor(text: str, order: str, sort: Sort) -> Cursor:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        made_for, value, file_id = _decoders[sort].decode(raw)
        if isinstance(value, datetime):
            value = value.astimezone(UTC)
    except (UnicodeError, binascii.Error, msgspec.DecodeError, OverflowError) as error:
        raise Invalid("this cursor was not made for this list: start again without it") from error
    if made_for != order:
        raise Invalid("this cursor belongs to another sort order: start again without it")
    return Cursor(value, file_id)
