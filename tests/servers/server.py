"""What the tests know of a real server, of S3 or of rows, and how one process tells another."""

from __future__ import annotations

from dataclasses import dataclass

_MISSING = "missing: "


@dataclass(frozen=True)
class S3Server:
    """An S3 server on loopback and a key that may do everything on it."""

    name: str
    endpoint: str
    key: str
    secret: str
    region: str = "us-east-1"


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server on loopback. ``url`` leads to a database of a user who may make others."""

    name: str
    url: str


@dataclass(frozen=True)
class Missing:
    """A server that cannot be had here, and why, in one line."""

    name: str
    reason: str


class NotStarted(Exception):
    """A server did not come up; the message says why in one line."""


Server = S3Server | PostgresServer


def variable(name: str) -> str:
    """The environment variable that says where the server ``name`` already runs."""
    return f"TEST_{name.upper()}" if name == "postgres" else f"TEST_S3_{name.upper()}"


def written(server: Server | Missing) -> str:
    """The value of that variable; ``read`` is the way back."""
    match server:
        case Missing(reason=reason):
            return _MISSING + reason
        case PostgresServer(url=url):
            return url
        case S3Server():
            return ",".join((server.endpoint, server.key, server.secret, server.region))


def read(name: str, text: str) -> Server | Missing:
    if text.startswith(_MISSING):
        return Missing(name, text.removeprefix(_MISSING))
    return PostgresServer(name, text) if name == "postgres" else S3Server(name, *text.split(","))
