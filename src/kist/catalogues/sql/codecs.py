"""How a database spells the types of columns and carries their values. Each kind of database has one ``Codec``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from typing import Any

import msgspec

Convert = Callable[[Any], Any]


def is_unicode(text: str) -> bool:
    """Whether ``text`` holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Codec(msgspec.Struct, frozen=True):
    """``words``: what stands for ``$time``, ``$json`` … in the migrations. ``encoders`` and ``decoders``: by type.

    A type without an entry is carried as it is. Enums are always carried as their text. NULL is None everywhere.
    ``spell`` is the last word on each statement of a migration; ``holds`` says which texts the database can hold.
    """

    words: dict[str, str]
    encoders: dict[type, Convert]
    decoders: dict[type, Convert]
    spell: Callable[[str], str] = str
    holds: Callable[[str], bool] = is_unicode

    def encoder(self, kind: type) -> Convert | None:
        if issubclass(kind, msgspec.Struct):
            return _struct_text
        return attrgetter("value") if issubclass(kind, Enum) else self.encoders.get(kind)

    def decoder(self, kind: type) -> Convert | None:
        if issubclass(kind, Enum):
            return {member.value: member for member in kind}.__getitem__  # twice as fast as calling the class
        if issubclass(kind, msgspec.Struct):
            return msgspec.json.Decoder(kind).decode
        return self.decoders.get(kind)


def time_text(time: datetime) -> str:
    """``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC: always six digits, so that the order of texts is the order of times."""
    return time.astimezone(UTC).isoformat(" ", "microseconds")[:-6]  # without +00:00


def text_time(text: str) -> datetime:
    """The time that ``time_text`` wrote."""
    return datetime.fromisoformat(text + "+00:00")


_JSON = msgspec.json.Encoder(order="sorted")  # sorted: equal dictionaries are equal texts, so they can be compared


def json_text(value: dict[str, str]) -> str:
    """JSON with its keys in order."""
    return _JSON.encode(value).decode()


def _struct_text(value: msgspec.Struct) -> str:
    """A value that is a structure of its own, in the order of its fields."""
    return msgspec.json.encode(value).decode()


SQLITE = Codec(
    words={
        "text": "TEXT",
        "bigint": "INTEGER",
        "bool": "INTEGER",
        "time": "TEXT",
        "json": "TEXT",
        "bytes": "BLOB",
        "false": "0",
        "unlogged": "",
    },
    encoders={datetime: time_text, dict: json_text, bool: int},
    decoders={datetime: text_time, dict: msgspec.json.Decoder(dict[str, str]).decode, bool: bool},
)


_FURTHER_COLUMNS = re.compile(r", folded\b[^)]*\)")


def _shorter_index(statement: str) -> str:
    """An index without what SQLite has at its end to narrow lists by, unread.

    PostgreSQL looks into the row anyway before it compares those columns, and an entry of its indexes holds 2704 bytes
    at most: two names of 255 characters, an owner and a type may be more.
    """
    return _FURTHER_COLUMNS.sub(")", statement) if statement.startswith("CREATE INDEX") else statement


def _has_no_nul(text: str) -> bool:
    return "\0" not in text and is_unicode(text)


_EARLIEST = datetime.min.replace(tzinfo=UTC, microsecond=1)
_LATEST = datetime.max.replace(tzinfo=UTC, microsecond=999_998)


def _finite(time: datetime) -> datetime:
    """The driver takes the very first and the very last microsecond for infinities, which few programs can read."""
    return min(max(time, _EARLIEST), _LATEST)


# The order of texts is that of their bytes, whatever the database's own is. Times are times, so that other programs may
# read them and the server's clock may be compared with them. JSON stays text, so that equal dictionaries stay equal
# texts and may hold what jsonb does not take.
POSTGRES = Codec(
    words={
        "text": 'TEXT COLLATE "C"',
        "bigint": "BIGINT",
        "bool": "BOOLEAN",
        "time": "TIMESTAMPTZ",
        "json": 'TEXT COLLATE "C"',
        "bytes": "BYTEA",
        "false": "FALSE",
        "unlogged": "UNLOGGED",
    },
    encoders={datetime: _finite, dict: json_text},
    decoders={dict: msgspec.json.Decoder(dict[str, str]).decode},
    spell=_shorter_index,
    holds=_has_no_nul,
)
