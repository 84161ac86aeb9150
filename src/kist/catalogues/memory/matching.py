"""What the queries and the guards of the catalogue in memory ask of one row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from kist.model.changes import GUARDS, Row
from kist.model.file import File, FileState
from kist.model.names import fold
from kist.model.query import Cursor, FileQuery, Sort

K = TypeVar("K")
V = TypeVar("V")


def set_row(table: dict[K, V], key: K, value: V | None) -> None:
    """Put ``value`` there, or take away what is there."""
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def guarded(row: Row) -> tuple[object, ...]:
    """The values of the guards of a row."""
    return tuple(getattr(row, name) for name in GUARDS.get(type(row), ()))


def differences(before: Row, after: Row) -> dict[str, object]:
    """The fields that a swap changes, with their new values."""
    new = ((field.name, getattr(after, field.name)) for field in msgspec.structs.fields(after))
    return {name: value for name, value in new if getattr(before, name) != value}


def unchanged(found: Row, before: Row, changed: Iterable[str]) -> bool:
    """Whether the guards, and every field that is about to change, still have the values of ``before``."""
    same = guarded(found) == guarded(before)
    return same and all(getattr(found, name) == getattr(before, name) for name in changed)


def rank(file: File, sort: Sort) -> tuple[str | int | datetime, str]:
    """The sort value and the id. Text compares by code point, which is the order of its UTF-8 bytes."""
    return getattr(file, str(sort)), file.id


def matches(file: File, query: FileQuery) -> bool:
    """Whether a query asks for the file."""
    if file.state is not FileState.READY:
        return False
    narrowed = (
        (query.owner, file.owner),
        (query.bucket, file.bucket),
        (query.name, file.name),
        (query.type, file.type),
    )
    if any(wanted is not None and wanted != value for wanted, value in narrowed):
        return False
    if query.text and fold(query.text) not in fold(file.name):
        return False
    return query.after is None or beyond(file, query, query.after)


def beyond(file: File, query: FileQuery, after: Cursor) -> bool:
    """Whether the file comes after the cursor in the order of the query."""
    here, end = rank(file, query.sort), (after.value, after.id)
    return here < end if query.descending else here > end
