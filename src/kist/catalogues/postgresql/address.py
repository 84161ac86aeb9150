"""What a ``postgresql://`` URL says."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kist.errors import Misconfigured

CONNECTIONS = 10
MOST_CONNECTIONS = 200


@dataclass(frozen=True)
class Address:
    """``url`` as the driver takes it, with a password perhaps, and how many connections one process opens at most."""

    url: str = field(repr=False)
    connections: int = CONNECTIONS


def read_url(url: str) -> Address:
    """The address that ``url`` means. ``Misconfigured`` for what is none; the message does not repeat it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _wrong("its host or port cannot be read") from error
    if parts.scheme != "postgresql":
        raise _wrong("it begins with another word")
    if not parts.path.strip("/"):
        raise _wrong("it names no database")
    asked = parse_qsl(parts.query, keep_blank_values=True)
    rest = [(name, value) for name, value in asked if name != "connections"]
    wanted = [value for name, value in asked if name == "connections"]
    plain = urlunsplit(parts._replace(query=urlencode(rest)))
    return Address(plain, _connections(wanted[-1]) if wanted else CONNECTIONS)


def _connections(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_CONNECTIONS:
        raise _wrong(f"connections is a number from 1 to {MOST_CONNECTIONS}")
    return int(text)


def _wrong(why: str) -> Misconfigured:
    return Misconfigured(
        f"KIST_DATABASE: {why}: write postgresql://user:password@host:port/database, perhaps with ?connections=20",
        settings="KIST_DATABASE",
    )
