"""The network, as one method. Everything else in this package works on requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from kist.errors import StoreRefused, StoreUnavailable

Bytes = bytes | bytearray | memoryview

BLOCK = 256 * 1024
"""About how many bytes an answer's body is read at a time."""
PIECE = 64 * 1024
"""How many bytes of a request's body are handed to the network at a time; each piece has its own deadline."""
SLOWEST = 256 * 1024
"""Bytes a second that the last buffers on the way may take to drain before an answer is called late."""


class Request(NamedTuple):
    """``headers`` has lower-case names. ``body`` may be sent more than once. ``answer_within``: seconds that the
    server may think before it answers, None for the transport's own deadline. ``chunked``: send the (small) body
    without saying its length beforehand.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Bytes | None = None
    answer_within: float | None = None
    chunked: bool = False


class Response(Protocol):
    @property
    def status(self) -> int:
        """The status code, whatever it is: no status is an exception here, no redirect is followed."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up by lower-case names."""

    async def block(self) -> bytes:
        """Some bytes of the body as sent (never decompressed), empty at its end. ``StoreUnavailable`` when it broke
        off or nothing came within the read deadline.
        """

    async def close(self) -> None:
        """Free the connection: for another request when the body was read to its end, else for good. May be called
        twice.
        """


class Transport(Protocol):
    async def send(self, request: Request) -> Response:
        """Send ``request`` and return as soon as the answer's headers are there.

        ``StoreUnavailable`` when the server cannot be reached, breaks off or is late; the request may then have been
        carried out all the same. ``StoreRefused`` when its certificate is not trusted.
        """

    async def close(self) -> None:
        """Close all connections."""


def untrusted() -> StoreRefused:
    """What every transport says of a certificate that cannot be trusted."""
    return StoreRefused("the object store's TLS certificate is not trusted: mend it, or trust the CA that signed it")


def unreachable() -> StoreUnavailable:
    """What every transport says when there is no connection, or no longer one."""
    return StoreUnavailable("the object store cannot be reached or broke off")
