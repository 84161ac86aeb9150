"""How a database spells the types of columns and carries their values. Each kind of database has one ``Codec``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from typing import Any

import msgspec

Convert = Callable[[Any], Any]


class Codec(msgspec.Struct, frozen=True):
    """``words``: what stands for ``$time``, ``$json`` … in the migrations. ``encoders`` and ``decoders``: by type.

    A type without an entry is carried as it is. Enums are always carried as their text. NULL is None everywhere.
    """

    words: dict[str, str]
    encoders: dict[type, Convert]
    decoders: dict[type, Convert]

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
    },
    encoders={datetime: time_text, dict: json_text, bool: int},
    decoders={datetime: text_time, dict: msgspec.json.Decoder(dict[str, str]).decode, bool: bool},
)
