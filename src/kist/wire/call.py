"""One request in our own words: all that a handler may know of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

import msgspec

from kist.errors import Invalid
from kist.model.actor import ANONYMOUS, Actor
from kist.wire.body import Body, nothing

MAX_QUERY_FIELDS = 200


class Headers:
    """Request headers. Names are lower case; values are text in latin-1, as they came."""

    __slots__ = ("_pairs", "_table")

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._pairs = pairs
        self._table: dict[str, str] | None = None

    def get(self, name: str) -> str | None:
        """The value; several lines of one name are joined by ``", "`` (RFC 9110 §5.3)."""
        table = self._table
        if table is None:
            table = self._table = self._read()
        return table.get(name)

    def all(self, name: str) -> list[str]:
        """The values of each line of that name, in their order."""
        wanted = name.encode("latin-1")
        return [value.decode("latin-1") for key, value in self._pairs if key == wanted]

    def names(self) -> list[str]:
        """The names, in their order; one that stands on several lines comes as often."""
        return [name.decode("latin-1") for name, _ in self._pairs]

    def _read(self) -> dict[str, str]:
        table: dict[str, str] = {}
        for key, value in self._pairs:
            name = key.decode("latin-1")
            text = value.decode("latin-1")
            table[name] = f"{table[name]}, {text}" if name in table else text
        return table


class Query:
    """The fields of a query string or of a url-encoded form, duplicates kept. ``Invalid`` when they cannot be read."""

    __slots__ = ("_fields", "_raw")

    def __init__(self, raw: bytes = b"") -> None:
        self._raw = raw
        self._fields: dict[str, list[str]] | None = None

    def get(self, name: str) -> str | None:
        """The first value of that name."""
        values = self._read().get(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return list(self._read().get(name, ()))

    def names(self) -> list[str]:
        return list(self._read())

    def _read(self) -> dict[str, list[str]]:
        if self._fields is None:
            self._fields = _parse_fields(self._raw) if self._raw else {}
        return self._fields


def _parse_fields(raw: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except UnicodeDecodeError as error:
        raise Invalid("the query is not valid UTF-8 in percent-encoding") from error
    except ValueError as error:
        raise Invalid(f"the query has more than {MAX_QUERY_FIELDS} fields") from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


class Call(msgspec.Struct, kw_only=True, eq=False):
    """One request.

    ``params`` come from the route's path template, percent-decoded once. ``actor`` is set by the host once the caller
    is admitted. ``address`` is the peer's. ``base_url`` is the public address of this server, without a trailing
    slash: from the settings, or one that the framework around has judged, never a Host header as it came. ``known`` is
    whom an application around this one has recognised.
    """

    method: str
    path: str
    params: Mapping[str, str] = {}
    query: Query = msgspec.field(default_factory=Query)
    headers: Headers = msgspec.field(default_factory=Headers)
    actor: Actor = ANONYMOUS
    known: Actor | None = None
    address: str = ""
    base_url: str = ""
    body: Body = msgspec.field(default_factory=lambda: Body(nothing, 0))

    @property
    def prefix(self) -> str:
        """What stands before the paths of our routes in the public address, without a trailing slash."""
        return _path_of(self.base_url)

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty when there is none."""
        value = self.headers.get("content-type")
        return value.partition(";")[0].strip().lower() if value else ""


@lru_cache(maxsize=4)
def _path_of(url: str) -> str:
    return urlsplit(url).path
