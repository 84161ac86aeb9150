"""S3 servers other than Kist's own store: how their addresses are written, and the keys that are for one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

DEFAULT_PORTS = {"http": 80, "https": 443}
REGION = "us-east-1"

_ODD = ' \\"<>^`{|}%@?#'
_PORT = re.compile(r"(:[0-9]{1,5})?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A server by scheme, host (lower case, an IPv6 address without its brackets) and port.

    ``region``: what requests to it are signed for. ``internal``: the operator says that it may lie inside: at a bare or
    private address, or without TLS.
    """

    scheme: str
    host: str
    port: int
    region: str = REGION
    internal: bool = False

    @property
    def url(self) -> str:
        """The one spelling of its address: no port where it is the scheme's own, no slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_number(self) -> bool:
        """Whether the host is an address and no name."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


def read_endpoint(url: str) -> Endpoint | None:
    """The server at a plain ``http(s)://host[:port]``, None for anything else. Strict: no two readers may differ."""
    if not url.isascii() or not url.isprintable() or any(character in url for character in _ODD):
        return None
    try:
        parts = urlsplit(url)
        host, port, written = parts.hostname or "", parts.port, parts.netloc.lower()
    except ValueError:
        return None
    shown = f"[{host}]" if ":" in host else host
    if not _is_host(host) or not written.startswith(shown) or not _PORT.fullmatch(written[len(shown) :]):
        return None
    if parts.scheme not in DEFAULT_PORTS or parts.path not in ("", "/") or port == 0:
        return None
    return Endpoint(scheme=parts.scheme, host=host, port=port or DEFAULT_PORTS[parts.scheme])


def listed(endpoints: Iterable[Endpoint], asked: Endpoint) -> Endpoint | None:
    """The one of ``endpoints`` that is at the same address, with what the operator says of it."""
    return next((each for each in endpoints if each.url == asked.url), None)


def _is_host(host: str) -> bool:
    if ":" not in host:
        return len(host) < 254 and _NAME.fullmatch(host) is not None
    try:
        return ip_address(host).version == 6 and "%" not in host
    except ValueError:
        return False


class EndpointKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys for one endpoint, which go there and nowhere else. They never show in a ``repr``.

    ``region``: to sign for, where the operator has not said it. ``trusted``: given by whoever runs Kist on this
    machine, so the endpoint need not be listed. Never set for what came over HTTP.
    """

    access_key: str
    secret_key: str
    session_token: str | None = None
    region: str = REGION
    trusted: bool = False

    def __repr__(self) -> str:
        return "EndpointKeys(…)"
