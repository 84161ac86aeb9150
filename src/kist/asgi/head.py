"""The head of a request as it comes in, and what makes it one that is not answered."""

from __future__ import annotations

import re

MAX_HEADERS = 100
MAX_BYTES = 64 << 10

# A path with or without a query: neither an address of some other server, nor a fragment, nor anything unprintable.
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding"})


class Head:
    """Request target and headers."""

    __slots__ = ("_singles", "_size", "_twice", "expects", "headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.expects = False
        self._singles: dict[bytes, bytes] = {}
        self._twice = False
        self._size = 0

    def add(self, name: bytes, value: bytes) -> None:
        """One header line. Names with an underscore are left out: behind some servers they pass for other names."""
        name = name.lower()
        self._size += len(name) + len(value)
        if name in _SINGLE:
            self._twice = self._twice or name in self._singles
            self._singles[name] = value
        elif name == b"expect":
            self.expects = value.lower() == b"100-continue"
        if b"_" not in name and len(self.headers) <= MAX_HEADERS and self._size <= MAX_BYTES:
            self.headers.append((name, value))

    def fault(self, version: str) -> str | None:
        """Why this request is refused, None when it is not (RFC 9112 §3.2, §6.1; T81 to T83)."""
        singles = self._singles
        if version not in ("1.1", "1.0"):
            return "only HTTP/1.1 and HTTP/1.0 are spoken here"
        if not _TARGET.fullmatch(self.target):
            return "the request target must be a path"
        if len(self.headers) > MAX_HEADERS or self._size > MAX_BYTES or len(self.target) > MAX_BYTES:
            return "the head of the request is too large"
        if self._twice:
            return "Host, Content-Length and Transfer-Encoding may be given once"
        if version == "1.1" and b"host" not in singles:
            return "HTTP/1.1 requests have a Host header"
        coding = singles.get(b"transfer-encoding")
        if coding is not None and (coding.strip().lower() != b"chunked" or version == "1.0"):
            return "the only Transfer-Encoding is chunked"
        if coding is not None and b"content-length" in singles:
            return "a request has a Content-Length or a Transfer-Encoding, not both"
        return None


def body_framing(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The header line that says where the body ends; empty where there is no body."""
    named = (b"content-length", b"transfer-encoding")
    return next((b"%b: %b" % (name, value) for name, value in headers if name in named), b"")
