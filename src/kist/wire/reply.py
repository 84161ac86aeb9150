"""One answer in our own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import msgspec

JSON = "application/json"

Close = Callable[[], Awaitable[None]]
HeaderList = list[tuple[str, str]]
_encode = msgspec.json.Encoder().encode


class Reply(msgspec.Struct, kw_only=True, eq=False):
    """Status, headers and body.

    A body that is an iterator yields bytes; ``length`` is its size where that is known. Whoever sends the reply
    awaits ``close`` in any case, also when the body was not pulled. Content-Length is the host's to write.
    """

    status: int = 200
    headers: HeaderList = []
    body: bytes | AsyncIterator[bytes] = b""
    length: int | None = None
    close: Close | None = None

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Iterable[tuple[str, str]] = (), type: str = JSON) -> Reply:
        """``value`` (usually a struct) as JSON."""
        return cls(status=status, headers=[("content-type", type), *headers], body=_encode(value))

    @classmethod
    def empty(cls, status: int = 204, headers: Iterable[tuple[str, str]] = ()) -> Reply:
        return cls(status=status, headers=list(headers))

    @classmethod
    def text(
        cls, text: str, status: int = 200, headers: Iterable[tuple[str, str]] = (), type: str = "text/plain"
    ) -> Reply:
        return cls(status=status, headers=[("content-type", f"{type}; charset=utf-8"), *headers], body=text.encode())

    @classmethod
    def stream(  # the close and the length belong to the body
        cls,
        body: AsyncIterator[bytes],
        *,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        length: int | None = None,
        close: Close | None = None,
    ) -> Reply:
        """A body that is pulled block by block while it is sent."""
        return cls(status=status, headers=list(headers), body=body, length=length, close=close)

    def has(self, name: str) -> bool:
        """Whether a header of that (lower-case) name is set."""
        return any(key.lower() == name for key, _ in self.headers)
