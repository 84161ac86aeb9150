"""One request and its answer on a connection: the ASGI side of the server."""

from __future__ import annotations

import asyncio
import http
import logging
from collections import deque
from typing import Any, Protocol

from starlette.types import ASGIApp
from uvicorn.server import ServerState

log = logging.getLogger("kist.server")

READ_HIGH = 256 << 10
"""Bytes of a body that wait for the handler before no more are read from the socket."""
_READ_LOW = 64 << 10
_JOIN_BELOW = 32 << 10

_NO_BODY = frozenset({204, 304})
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ''}\r\n".encode()
    for status in range(200, 600)
}


class ClientGone(OSError):
    """There is nobody left to send to."""


class Line(Protocol):
    """What an exchange needs of the connection that it goes over."""

    loop: asyncio.AbstractEventLoop
    server_state: ServerState
    stopping: bool

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""

    def is_full(self) -> bool:
        """Whether more waits to be written than should."""

    async def writable(self) -> None:
        """Come back when the client has taken enough, or is gone."""

    def pause_reading(self) -> None:
        """Read no more from the socket for now."""

    def resume_reading(self) -> None:
        """Read on."""

    def finished(self, exchange: Exchange) -> None:
        """The answer is complete."""

    def refuse(self, status: int, text: str) -> None:
        """Answer in plain text, and part."""

    def abort(self) -> None:
        """Cut the connection at once."""


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_blocks",
        "_chunked",
        "_connection",
        "_expects",
        "_head",
        "_held",
        "_left",
        "_pending",
        "_told",
        "_waiter",
        "_waiting_since",
        "complete",
        "cut",
        "gone",
        "keep_alive",
        "more",
        "received",
        "scope",
        "started",
    )

    def __init__(self, connection: Line, scope: dict[str, Any], *, expects: bool, keep_alive: bool) -> None:
        self._connection = connection
        self._blocks: deque[bytes] = deque()
        self._pending = 0
        self._told = False  # that the body has ended
        self._waiter: asyncio.Future[None] | None = None
        self._waiting_since: float | None = None
        self._expects = expects
        self._chunked = False
        self._left: int | None = None
        self._head = scope["method"] == "HEAD"
        self._held = b""  # the head of the answer, to leave in one write with what follows at once
        self.scope = scope
        self.received = 0
        self.more = True  # the request body is not here wholly
        self.cut = False  # and the rest of it will never come
        self.gone = False  # nobody to answer to
        self.keep_alive = keep_alive
        self.started = False
        self.complete = False

    # What the connection tells

    def take(self, block: bytes) -> None:
        """A block of the body has come."""
        self.received += len(block)
        if self.complete:
            return
        self._blocks.append(block)
        self._pending += len(block)
        if self._pending > READ_HIGH:
            self._connection.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is here wholly."""
        self.more = False
        self._wake()

    def break_off(self) -> None:
        """The rest of the body will never come. The answer can still be sent."""
        self.cut = self.more
        self.keep_alive = False
        self._wake()

    def leave(self) -> None:
        """The client is gone."""
        self.gone = True
        self.cut = self.more
        self._wake()

    def waiting_since(self, last_data: float) -> float | None:
        """Since when the application waits for bytes that do not come, None while it does not wait."""
        return None if self._waiting_since is None else max(self._waiting_since, last_data)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the application asks

    async def run(self, app: ASGIApp) -> None:
        """Let ``app`` answer. An answer that is not finished when it returns cuts the connection, so that it shows."""
        try:
            await app(self.scope, self.receive, self.send)
        except ClientGone:
            return
        except Exception as error:
            log.error("the application failed: %s", error, exc_info=error)
        except BaseException:
            self._connection.abort()
            raise
        if self.complete or self.gone:
            return
        if self.started:
            self._connection.abort()
        else:
            self._connection.refuse(500, "Internal Server Error")

    async def receive(self) -> dict[str, Any]:
        """The next message: a block of the body, or that the client is gone."""
        if self._expects and not self.started and not self.gone:
            self._expects = False
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._blocks and self.more and not self.cut and not self.complete:
            await self._wait(for_bytes=True)
        if self.cut or self.complete:
            return {"type": "http.disconnect"}
        if self._blocks or not self._told:
            block = self._next_block() if self._blocks else b""
            self._told = not self.more and not self._blocks
            return {"type": "http.request", "body": block, "more_body": not self._told}
        while not self.gone and not self.complete:
            await self._wait(for_bytes=False)
        return {"type": "http.disconnect"}

    def _next_block(self) -> bytes:
        blocks = self._blocks
        if len(blocks) == 1 or len(blocks[0]) >= _JOIN_BELOW:
            block = blocks.popleft()
        else:
            block = b"".join(blocks)
            blocks.clear()
        self._pending -= len(block)
        if self._pending <= _READ_LOW:
            self._connection.resume_reading()
        return block

    async def _wait(self, *, for_bytes: bool) -> None:
        self._connection.resume_reading()
        loop = self._connection.loop
        self._waiter = loop.create_future()
        if for_bytes:
            self._waiting_since = loop.time()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._waiting_since = None

    async def send(self, message: Any) -> None:
        """Send the start or a part of the answer; waits while the client is slow. ``ClientGone``."""
        connection = self._connection
        if connection.is_full() and not self.gone:
            await connection.writable()
        if self.gone:
            raise ClientGone("the client has left")
        if not self.started:
            self._start(message)
        elif self.complete:
            raise RuntimeError("the answer is complete: nothing more can be sent")
        else:
            self._continue(message)

    def _start(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"an answer begins with http.response.start, not {message['type']}")
        status: int = message["status"]
        lines = [_STATUS_LINES[status]]
        # A client that goes on sending a body would have it taken for its next request.
        keep = self.keep_alive and not self.more and not self._connection.stopping
        headers = [*self._connection.server_state.default_headers, *message.get("headers", ())]
        for name, value in headers:
            key = name.lower()
            if key == b"content-length":
                self._left = int(value)
            elif key == b"connection":
                keep = keep and value.strip().lower() != b"close"
                continue
            elif key == b"transfer-encoding":
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        bodiless = self._head or status in _NO_BODY
        if self._left is None and not bodiless:
            keep = self._choose_framing(lines) and keep
        if not keep:
            lines.append(b"connection: close\r\n")
        block = b"".join(lines)
        if block.count(b"\n") != len(lines) or block.count(b"\r") != len(lines) or b"\0" in block:
            raise RuntimeError("a header of the answer holds a line break or NUL")
        self.keep_alive = keep
        self.started = True
        self._left = 0 if bodiless else self._left
        self._held = block + b"\r\n"
        self._connection.loop.call_soon(self._release)

    def _release(self) -> None:
        """Write the head that was held back, where nothing followed it at once."""
        held, self._held = self._held, b""
        if held and not self.gone:
            self._connection.write(held)

    def _write(self, block: bytes) -> None:
        """Write ``block``, behind the head that was held back; large blocks are not copied for that."""
        if len(block) > _JOIN_BELOW:
            self._release()
        held, self._held = self._held, b""
        self._connection.write(held + block if held else block)

    def _choose_framing(self, lines: list[bytes]) -> bool:
        """Chunks where the length is not known; HTTP/1.0 knows none, so there the end of the connection says it."""
        if self.scope["http_version"] == "1.0":
            return False
        self._chunked = True
        lines.append(b"transfer-encoding: chunked\r\n")
        return True

    def _continue(self, message: Any) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"an answer goes on with http.response.body, not {message['type']}")
        body = message.get("body", b"")
        if self._head or (self._left == 0 and not body):
            pass
        elif self._chunked:
            if body:
                self._write_chunk(body)
        elif body:
            self._count_down(len(body))
            self._write(body)
        if message.get("more_body", False):
            return
        if self._chunked:
            self._write(b"0\r\n\r\n")
        elif self._left:
            raise RuntimeError(f"the answer is {self._left} bytes shorter than its Content-Length")
        self._release()
        self.complete = True
        self._wake()
        self._connection.finished(self)

    def _write_chunk(self, block: bytes) -> None:
        size = b"%x\r\n" % len(block)
        if len(block) <= _JOIN_BELOW:
            self._write(b"%b%b\r\n" % (size, block))
        else:
            self._write(size)
            self._connection.write(block)
            self._connection.write(b"\r\n")

    def _count_down(self, size: int) -> None:
        if self._left is None:
            return
        if size > self._left:
            raise RuntimeError("the answer is longer than its Content-Length")
        self._left -= size
