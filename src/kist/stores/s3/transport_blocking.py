"""The network over urllib3, for hosts without an event loop: spelled ``async def``, but never suspends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, SSLError

from kist.errors import KistError, StoreUnavailable
from kist.stores.s3.transport import BLOCK, PIECE, SLOWEST, Bytes, Request, unreachable, untrusted

_HOSTS = 64  # with the bucket in the host name, each bucket is a host
_CONNECTIONS = 64
_STALLED = 30.0  # seconds that one piece of a body may take: it first has to drain what is buffered before it
_SILENT = {"User-Agent": urllib3.util.SKIP_HEADER, "Accept-Encoding": urllib3.util.SKIP_HEADER}


class BlockingTransport:
    """A pool of kept-alive connections. Safe to use from many threads."""

    def __init__(self, *, connect_timeout: float, read_timeout: float) -> None:
        self._connect = connect_timeout
        self._read = read_timeout
        self._pool = urllib3.PoolManager(num_pools=_HOSTS, maxsize=_CONNECTIONS, block=False)
        self._pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    async def send(self, request: Request) -> BlockingResponse:
        body: Any = request.body
        headers = dict(request.headers)
        within = request.answer_within or self._read
        if body is not None and len(body) > PIECE:
            headers["content-length"] = str(len(body))
            within = request.answer_within or self._read + len(body) / SLOWEST
            body = _pieces(body)
        try:
            raw = self._pool.urlopen(
                request.method,
                request.url,
                body=body,
                headers={**_SILENT, **headers},
                redirect=False,
                chunked=request.chunked,
                retries=False,
                timeout=urllib3.Timeout(connect=self._connect, read=within),
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as error:
            raise translated(error) from error
        if _cut_short(request.method, raw):
            raw.close()
            raise StoreUnavailable("the object store broke off within the headers of its answer")
        return BlockingResponse(raw)

    async def close(self) -> None:
        self._pool.clear()


class BlockingResponse:
    """An answer of urllib3."""

    __slots__ = ("_raw",)

    def __init__(self, raw: urllib3.BaseHTTPResponse) -> None:
        self._raw = raw

    @property
    def status(self) -> int:
        return self._raw.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._raw.headers

    async def block(self) -> bytes:
        try:
            return self._raw.read(BLOCK, decode_content=False)
        except (HTTPError, OSError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        # A connection whose answer was read to its end is in the pool again by now.
        self._raw.close()


def _cut_short(method: str, raw: urllib3.BaseHTTPResponse) -> bool:
    """``http.client`` takes headers that break off for whole ones. S3 always says how long its answers are."""
    if method == "HEAD" or raw.status in (204, 304):
        return False
    return "content-length" not in raw.headers and "transfer-encoding" not in raw.headers


class _Connection(HTTPConnection):
    """urllib3 would send the body under the connect deadline, which is far too short for a slow line."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_STALLED)


class _SecureConnection(HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_STALLED)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _pieces(body: Bytes) -> Iterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]


def translated(error: Exception) -> KistError:
    """What a failure of urllib3 or of the socket means for Kist."""
    return untrusted() if isinstance(error, SSLError) else unreachable()
