"""The network over aiohttp, for the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from ssl import SSLError
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from yarl import URL

from kist.errors import KistError
from kist.stores.s3.transport import BLOCK, PIECE, SLOWEST, Bytes, Request, unreachable, untrusted

Hosts = Mapping[str, tuple[str, ...]]
"""Addresses by the names that they were found under."""

_CONNECTIONS = 512
_IDLE = 15.0  # shorter than what common servers allow, so that few requests meet a connection that is being closed
_STALLED = 3  # a piece of a body may take this many read deadlines: it first has to drain what is buffered before it
_SILENT = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AsyncTransport:
    """One session with a pool of kept-alive connections, made at the first request, within its event loop."""

    def __init__(self, *, connect_timeout: float, read_timeout: float, hosts: Hosts | None = None) -> None:
        """``hosts``: the addresses of the names that may be connected to, which are looked up nowhere else then."""
        self._resolver = None if hosts is None else _Known(hosts)
        self._connect = connect_timeout
        self._read = read_timeout
        self._timeout = self._deadlines(read_timeout)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> AsyncResponse:
        body = request.body
        try:
            if body is not None and len(body) > PIECE:
                return await self._send_pieces(request, body)
            within = request.answer_within
            timeout = self._timeout if within is None else self._deadlines(within)
            return await self._request(request, body, timeout)
        except (aiohttp.ClientError, OSError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _send_pieces(self, request: Request, body: Bytes) -> AsyncResponse:
        within = request.answer_within or self._read + len(body) / SLOWEST
        stalled = self._read * _STALLED
        pieces = _Pieces(body, stalled)
        try:
            async with asyncio.timeout(self._connect + stalled) as pieces.deadline:
                return await self._request(request, pieces, self._deadlines(within))
        except TimeoutError:
            pieces.abort()
            raise
        finally:
            pieces.deadline = None

    async def _request(self, request: Request, data: Any, deadlines: aiohttp.ClientTimeout) -> AsyncResponse:
        session = self._session or self._begin()
        raw = await session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=data,
            chunked=request.chunked or None,  # aiohttp takes False for True
            allow_redirects=False,
            timeout=deadlines,
        )
        return AsyncResponse(raw)

    def _begin(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE, resolver=self._resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SILENT,
            auto_decompress=False,
            trust_env=False,
            timeout=self._timeout,
            read_bufsize=BLOCK,
        )
        return self._session

    def _deadlines(self, read: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=read, ceil_threshold=60)


class _Known(AbstractResolver):
    """Names whose addresses are known already. The name itself stays what Host and the certificate are held to."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._hosts.get(host, ())
        ]

    async def close(self) -> None:
        """There is nothing to free."""


class AsyncResponse:
    """An answer of aiohttp."""

    __slots__ = ("_raw",)

    def __init__(self, raw: aiohttp.ClientResponse) -> None:
        self._raw = raw

    @property
    def status(self) -> int:
        return self._raw.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._raw.headers

    async def block(self) -> bytes:
        try:
            return await self._raw.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        self._raw.close()


class _Pieces(aiohttp.Payload):
    """A body that is written piece by piece, as often as it is asked for, each piece within its own deadline."""

    _autoclose = True

    def __init__(self, body: Bytes, stalled: float) -> None:
        super().__init__(body)
        self._size = len(body)
        self._stalled = stalled
        self._network: asyncio.WriteTransport | None = None
        self.deadline: asyncio.Timeout | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._network = getattr(writer, "transport", None)
        view = memoryview(self._value)
        for start in range(0, len(view), PIECE):
            self._moved(asyncio.get_running_loop().time() + self._stalled)
            await writer.write(view[start : start + PIECE])
        self._moved(None)  # from here on the deadline for the answer counts

    def abort(self) -> None:
        """Give up a connection that takes no more bytes: closing it would wait for those in its buffer."""
        if self._network is not None:
            self._network.abort()

    def _moved(self, until: float | None) -> None:
        # The answer may come before the body has gone out: then nobody waits for the body any more.
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(until)


def translated(error: Exception) -> KistError:
    """What a failure of aiohttp or of the socket means for Kist."""
    return untrusted() if isinstance(error, aiohttp.ClientSSLError | SSLError) else unreachable()
