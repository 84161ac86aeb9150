"""Where a bucket or an object is asked for: scheme, host and encoded path."""

from __future__ import annotations

import re
from typing import NamedTuple, get_args
from urllib.parse import quote, urlsplit

from kist.errors import Misconfigured
from kist.stores.s3.settings import Style

_REGION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """``host`` carries the port where it is not the scheme's own; ``path`` is percent-encoded as it is signed."""

    scheme: str
    host: str
    path: str

    def url(self, query: str = "") -> str:
        return f"{self.scheme}://{self.host}{self.path}?{query}" if query else f"{self.scheme}://{self.host}{self.path}"


class Addresses:
    """Turns bucket and key into addresses of one endpoint."""

    def __init__(self, endpoint: str | None, region: str, style: Style = "auto") -> None:
        """``Misconfigured`` when ``endpoint`` is no plain http(s) URL, or is a bare address with style ``host``."""
        self.amazon = endpoint is None
        scheme, host, path = _split(_amazon(region) if endpoint is None else endpoint)
        self._scheme = scheme
        self._host = host
        self._path = path
        if style not in get_args(Style):
            raise Misconfigured(f"style={style} means nothing for an S3 store: it is one of auto, path, host")
        if not _REGION.fullmatch(region):
            raise Misconfigured("the S3 region is a short name such as eu-central-1")
        if style == "host" and _is_number(host):
            raise Misconfigured("style=host puts the bucket before the host's name, so the S3 endpoint needs a name")
        self._in_host = style == "host" or (style == "auto" and _is_amazon(host))

    @property
    def root(self) -> str:
        """The endpoint itself, for messages."""
        return f"{self._scheme}://{self._host}{self._path}"

    def of(self, bucket: str = "", key: str = "") -> Address:
        """The address of an object, of a bucket (no key) or of the server (neither)."""
        tail = quote(key, safe="/~") if key else ""
        if not bucket:
            return Address(self._scheme, self._host, f"{self._path}/")
        if self._in_host:
            return Address(self._scheme, f"{bucket}.{self._host}", f"{self._path}/{tail}")
        inside = f"/{tail}" if key else ""
        return Address(self._scheme, self._host, f"{self._path}/{bucket}{inside}")


def _amazon(region: str) -> str:
    tail = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{tail}"


def _is_amazon(host: str) -> bool:
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _is_number(host: str) -> bool:
    return host.startswith("[") or host.partition(":")[0].replace(".", "").isdigit()


def _split(endpoint: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(endpoint)
        name, port = parts.hostname, parts.port
        (name or "").encode("idna")
    except ValueError as error:
        raise Misconfigured(f"the S3 endpoint is no URL: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS or not name or parts.query or parts.fragment or "@" in parts.netloc:
        raise Misconfigured("the S3 endpoint must look like https://host or http://host:port, without keys or query")
    host = f"[{name}]" if ":" in name else name
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return parts.scheme, host, parts.path.rstrip("/")
