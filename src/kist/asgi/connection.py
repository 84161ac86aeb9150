"""The server's side of one HTTP/1.1 connection: httptools parses, exchanges answer, deadlines watch.

In uvicorn's place for a protocol class, because uvicorn's own waits for ever for headers and bodies, copies each block
of a body twice, and takes request targets and heads of any size.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from kist.asgi.deadlines import Late, Pace, Phase, Watch
from kist.asgi.exchange import Exchange
from kist.asgi.head import Head, body_framing

log = logging.getLogger("kist.server")

MAX_SILENT = 64 << 10
"""Bytes that may come without completing a head or bringing any of a body."""
MAX_LINGER = 4 << 20
"""Bytes of an unwanted body that are thrown away so that the client gets to read the answer."""
MAX_WAITING = 32
"""Requests that may wait behind the one that is being answered: what came with one read is parsed whole."""
WRITE_HIGH = 1 << 20
_TURN = 0.01
"""Seconds in which a loop that is not held up reads what has come."""


class Connection(asyncio.Protocol):
    """One connection. uvicorn's server makes it, counts it and calls ``shutdown``."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        watch: Watch,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.server_state = server_state
        self._write_paused = False
        self.stopping = False
        self._app = config.loaded_app
        self._root_path = config.root_path
        self._app_state = app_state
        self._watch = watch
        self._pace = Pace(watch.limits, self.loop.time())
        self._parser = httptools.HttpRequestParser(self)
        # What follows a request with "Connection: close" in one packet is no reason to refuse that request.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._transport: asyncio.Transport
        self._ends: dict[str, Any] = {}
        self._head: Head | None = None
        self._incoming: Exchange | None = None  # the one whose body is being read
        self._current: Exchange | None = None  # the one that is being answered
        self._queue: deque[Exchange] = deque()
        self._last_data = 0.0
        self._silent = 0
        self._written = 0
        self._read_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._deaf = False  # what still comes is thrown away
        self._thrown_away = 0
        self._farewell: tuple[int, str] | None = None

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        transport.set_write_buffer_limits(high=WRITE_HIGH)
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._ends = {
            "client": tuple(peer[:2]) if isinstance(peer, tuple) else None,
            "server": tuple(own[:2]) if isinstance(own, tuple) else None,
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
        }
        self.server_state.connections.add(self)  # type: ignore[arg-type]
        self._watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.connections.discard(self)
        self._watch.forget(self)
        self._deaf = True
        for exchange in (self._current, *self._queue):
            if exchange is not None:
                exchange.leave()
        self._queue.clear()
        self.resume_writing()

    def eof_received(self) -> bool:
        self.stopping = True
        if self._incoming is not None:
            self._incoming.break_off()
        return self._current is not None and not self._deaf

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._throw_away(len(data))
            return
        self._last_data = self.loop.time()
        self._silent += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._bad_request(400, "this is no valid HTTP request")
        if self._silent > MAX_SILENT and not self._deaf:
            self._bad_request(431, "the head of the request is too large")

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # answered as if it had not been asked for, and then closed
            self.stopping = True
            framing = body_framing(self._incoming.scope["headers"]) if self._incoming is not None else b""
            if not framing:
                self._end_last()
                return
            # The parser takes the body for another protocol. One that has never heard of it reads the body.
            body = SimpleNamespace(on_body=self.on_body, on_message_complete=self._end_last)
            self._parser = httptools.HttpRequestParser(body)
            self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: k\r\n%b\r\n\r\n" % framing)
            self._parser.feed_data(data[upgrade.args[0] :])

    def _end_last(self) -> None:
        self._end_body()
        self._deaf = True

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # What the parser tells

    def on_message_begin(self) -> None:
        self._head = Head()
        if self._pace.phase is Phase.KEEP_ALIVE:
            self._pace.enter(Phase.HEADERS, self._last_data)

    def on_url(self, url: bytes) -> None:
        if self._head is not None:
            self._head.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:  # else it is a trailer, which nobody asked for
            self._head.add(name, value)

    def on_headers_complete(self) -> None:
        head, self._head = self._head, None
        if head is None or self._deaf:
            return
        self._silent = 0
        version = self._parser.get_http_version()
        fault = head.fault(version)
        if fault is not None:
            self._bad_request(400, fault)
            return
        self._begin(head, version)

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        if self._incoming is not None:
            self._incoming.take(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():  # else the body is still to come
            self._end_body()

    def _end_body(self) -> None:
        self._silent = 0
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.end()

    def _begin(self, head: Head, version: str) -> None:
        target, _, query = head.target.partition(b"?")
        path = target.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "path": self._root_path + (unquote(path) if "%" in path else path),
            "raw_path": self._root_path.encode("ascii") + target,
            "query_string": query,
            "root_path": self._root_path,
            "headers": head.headers,
            "state": self._app_state.copy(),
            **self._ends,
        }
        keep_alive = version == "1.1" and self._parser.should_keep_alive()
        exchange = Exchange(self, scope, expects=head.expects and version == "1.1", keep_alive=keep_alive)
        self._incoming = exchange
        if self._current is None:
            self._answer(exchange)
        elif len(self._queue) >= MAX_WAITING:
            self._bad_request(429, "too many requests at once on one connection")
        else:
            self._queue.append(exchange)
            self.pause_reading()

    def _answer(self, exchange: Exchange) -> None:
        self._current = exchange
        self._pace.enter(Phase.EXCHANGE, self.loop.time())
        task = self.loop.create_task(exchange.run(self._app))
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    def _bad_request(self, status: int, text: str) -> None:
        """Refuse what cannot be read; but first let the requests before it be answered."""
        if self._deaf:  # the parser stumbles over what comes after a request that was refused already
            return
        self._deaf = True
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.break_off()
        if self._current is None:
            self.refuse(status, text)
        else:
            self._farewell = (status, text)
            self.pause_reading()

    # What the exchange asks

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        self._written += len(data)
        self._transport.write(data)

    def is_full(self) -> bool:
        """Whether more waits to be written than should. uvloop only tells after the application has paused once."""
        return self._write_paused or self._transport.get_write_buffer_size() > WRITE_HIGH

    async def writable(self) -> None:
        """Come back when the client has taken enough, or is gone."""
        await asyncio.sleep(0)
        while self._write_paused:
            if self._drained is None or self._drained.done():
                self._drained = self.loop.create_future()
            await asyncio.shield(self._drained)

    def pause_reading(self) -> None:
        """Read no more from the socket for now."""
        if not self._read_paused and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless another request waits to be answered first."""
        if self._read_paused and not self._queue and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()

    def finished(self, exchange: Exchange) -> None:
        """The answer is complete: what comes next on this connection."""
        self.server_state.total_requests += 1
        if self._transport.is_closing():
            return
        if exchange.more or not exchange.keep_alive:
            self._part(wait_for_client=exchange.more)
        elif self._queue:
            self._answer(self._queue.popleft())
            self.resume_reading()
        elif self._farewell is not None:
            self.refuse(*self._farewell)
        elif self._deaf or self.stopping:
            self._part(wait_for_client=False)
        else:
            self._current = None
            self._pace.enter(Phase.KEEP_ALIVE if self._head is None else Phase.HEADERS, self.loop.time())
            self.resume_reading()

    def refuse(self, status: int, text: str) -> None:
        """Answer in plain text, where no application can, and part."""
        if self._transport.is_closing():
            return
        lines = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(text)}",
            "connection: close",
            "",
            text,
        )
        self.write("\r\n".join(lines).encode("ascii"))
        self._part(wait_for_client=True)

    def _part(self, *, wait_for_client: bool) -> None:
        """Close. A client that is still sending is listened to for a while, else a reset would eat the answer."""
        self._deaf = True
        if not wait_for_client or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._pace.enter(Phase.LINGER, self.loop.time())
        self._queue.clear()
        self.resume_reading()

    def _throw_away(self, size: int) -> None:
        self._thrown_away += size
        if self._thrown_away > MAX_LINGER:
            self.abort()

    def abort(self) -> None:
        """Cut the connection at once."""
        self._transport.abort()

    # What the server and the watch ask

    def shutdown(self) -> None:
        """The server stops: answer what is under way, then part. An idle client is given notice first."""
        self.stopping = True
        if self._current is None:
            self.loop.call_later(self._watch.limits.notice, self._end_notice)

    def _end_notice(self) -> None:
        # Not at once: when the loop was held up, a request may have come that it has not read yet.
        self.loop.call_later(_TURN, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._current is None and not self._transport.is_closing():
            self._transport.close()

    def check(self, now: float) -> None:
        """Look at the deadlines and act on those that have passed."""
        late = self._pace.write_late(now, self._written, self._transport.get_write_buffer_size())
        if late is None and self._pace.phase is Phase.EXCHANGE:
            late = self._body_late(now)
        elif late is None:
            late = self._pace.wait_late(now)
        if late is None:
            return
        log.debug("too slow: %s", late.name)
        if late is Late.BODY and self._current is not None:
            self._deaf = True
            self._current.break_off()
        elif late is Late.HEADERS and self._head is not None:
            self.refuse(408, "the request did not come in time")
        elif late is Late.IDLE or late is Late.HEADERS:
            self._transport.close()
        else:
            self.abort()

    def _body_late(self, now: float) -> Late | None:
        current = self._current
        if current is None or not current.more or current.cut:
            return None
        return self._pace.body_late(now, current.waiting_since(self._last_data), current.received)
