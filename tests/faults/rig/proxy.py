"""A proxy before an S3 server that does what networks and servers do on bad days, by a script.

It understands as much HTTP as an S3 client speaks: bodies have a Content-Length, answers that or chunks.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.servers.daemon import free_port

T = TypeVar("T")

BLOCK = 64 * 1024
PATIENCE = 30.0
ERROR = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>made up</Message></Error>"


class Kind(StrEnum):
    """What goes wrong with a request. ``value`` of the fault is named in brackets."""

    DELAY = "delay"
    """It is answered later [seconds]."""
    SLOW = "slow"
    """Its bytes and those of the answer trickle [bytes per second]."""
    BLACK_HOLE = "black hole"
    """It goes nowhere, and nobody says so."""
    HELD = "held"
    """It is carried out, but the answer never comes."""
    STATUS = "status"
    """It is not carried out, the answer is an error [status]."""
    STATUS_AFTER = "status after"
    """It is carried out, the answer is an error all the same [status]."""
    ERROR_IN_SUCCESS = "error in success"
    """It is not carried out, the answer is 200 with an <Error>."""
    CUT_REQUEST = "cut request"
    """The connection is reset after so much of its body [bytes]."""
    CUT_ANSWER = "cut answer"
    """It is carried out, the connection is reset after so much of the answer's body [bytes]."""
    LATE = "late"
    """The connection is reset when all of it is here, and it is carried out some time later [seconds]."""
    FLIP_REQUEST = "flip request"
    """One bit of its body changes on the way [offset]."""
    FLIP_ANSWER = "flip answer"
    """One bit of the answer's body changes on the way [offset]."""
    NO_ETAG = "no etag"
    """The answer has an empty ETag."""


@dataclass(frozen=True)
class Fault:
    """The next ``times`` requests (None: all) whose ``METHOD target`` has ``pattern`` in it meet ``kind``.

    With a ``chance`` below 1, each of them only by a throw of the proxy's dice.
    """

    kind: Kind
    pattern: str = ""
    value: float = 0
    times: int | None = 1
    chance: float = 1.0


@dataclass
class Message:
    """The head of a request or an answer."""

    start: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def written(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


class Proxy:
    """Use ``proxying``. Everything public may be called from any thread."""

    def __init__(self, endpoint: str, seed: int = 0) -> None:
        self._dice = random.Random(seed)
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        self._upstream = (parts.hostname, parts.port or 80)
        self._port = free_port()
        self._script: list[Fault] = []
        self._changed = threading.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self.met: list[tuple[Kind, str]] = []
        """Which requests met which fault, in the order in which it came about."""
        self.carried_out: list[str] = []
        """``METHOD target`` of the requests that the server answered with success; of copies with `` copy`` behind."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def add(self, *faults: Fault) -> None:
        """Let this go wrong from now on. Of several that fit a request, the first one counts."""
        with self._changed:
            self._script.extend(faults)

    def heal(self) -> None:
        """Let nothing go wrong any more. What has gone wrong stays so."""
        with self._changed:
            self._script.clear()

    def wait_until_met(self, count: int = 1) -> None:
        """Return when ``count`` faults have come about."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.met) >= count, PATIENCE), "the fault was not met"

    def up(self) -> None:
        """Take connections, if it does not yet."""
        self._call(self._open())

    def down(self) -> None:
        """Refuse connections, and reset those that are there."""
        self._call(self._close())

    def run(self) -> None:
        """The thread's work, until ``stop``."""
        self._loop.run_forever()
        self._loop.close()

    def stop(self) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(PATIENCE)

    async def _open(self) -> None:
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port, limit=BLOCK)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = tuple(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _next_fault(self, request: str) -> Fault | None:
        with self._changed:
            for index, fault in enumerate(self._script):
                if re.search(fault.pattern, request) and self._dice.random() < fault.chance:
                    if fault.times is not None:
                        self._script[index : index + 1] = [replace(fault, times=fault.times - 1)] * (fault.times > 1)
                    return fault
        return None

    def note(self, fault: Fault | None, request: str) -> None:
        """The fault has come about."""
        if fault is not None:
            with self._changed:
                self.met.append((fault.kind, request))
                self._changed.notify_all()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                request = await read_head(reader)
                words = " ".join(request.start.split(" ")[:2])
                passage = Passage(self, request, words, self._next_fault(words), reader, writer)
                await passage.run(self._upstream)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)


class Passage:
    """One request on its way through."""

    def __init__(
        self,
        proxy: Proxy,
        request: Message,
        words: str,
        fault: Fault | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._request = request
        self._words = words
        self._fault = fault
        self._reader = reader
        self._writer = writer

    async def run(self, upstream: tuple[str, int]) -> None:
        if self._is(Kind.BLACK_HOLE):
            self._note()
            await asyncio.Event().wait()
        elif self._is(Kind.STATUS, Kind.ERROR_IN_SUCCESS):
            async for _ in self._body():
                pass
            await self._refuse()
        elif self._is(Kind.LATE):
            whole = b"".join([block async for block in self._body()])
            self._writer.transport.abort()
            await asyncio.sleep(self._value)
            await self._forward(upstream, _once(whole))
            self._note()
            raise ConnectionResetError
        else:
            if self._is(Kind.DELAY):
                await asyncio.sleep(self._value)
            await self._forward(upstream, self._disturbed(self._body(), Kind.CUT_REQUEST, Kind.FLIP_REQUEST))

    @property
    def _value(self) -> float:
        return 0 if self._fault is None else self._fault.value

    def _is(self, *kinds: Kind) -> bool:
        return self._fault is not None and self._fault.kind in kinds

    def _note(self) -> None:
        self._proxy.note(self._fault, self._words)

    def _body(self) -> AsyncIterator[bytes]:
        return read_body(self._reader, self._request)

    async def _refuse(self) -> None:
        status = 200 if self._is(Kind.ERROR_IN_SUCCESS) else int(self._value)
        head = Message(f"HTTP/1.1 {status} Made Up", [("Content-Length", str(len(ERROR)))])
        self._note()
        self._writer.write(head.written() + (b"" if self._request.start.startswith("HEAD") else ERROR))
        await self._writer.drain()

    async def _forward(self, upstream: tuple[str, int], body: AsyncIterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection(*upstream, limit=BLOCK)
        try:
            writer.write(self._request.written())
            async for block in body:
                writer.write(block)
                await writer.drain()
            answer = await read_head(reader)
            while " 100 " in answer.start:
                answer = await read_head(reader)
            if self._is(Kind.LATE):
                return
            await self._answer(answer, reader)
        finally:
            writer.transport.abort()

    async def _answer(self, answer: Message, reader: asyncio.StreamReader) -> None:
        if answer.start.split(" ")[1].startswith("2"):
            copied = " copy" * bool(self._request.get("x-amz-copy-source"))
            self._proxy.carried_out.append(f"{self._words}{copied}")
        bodiless = self._request.start.startswith("HEAD") or answer.start.split(" ")[1] in ("204", "304")
        body = _once(b"") if bodiless else read_body(reader, answer)
        if self._is(Kind.HELD):
            self._note()
            await asyncio.Event().wait()
        if self._is(Kind.STATUS_AFTER):
            await self._refuse()
            return
        if self._is(Kind.NO_ETAG):
            answer.headers = [(name, "" if name.lower() == "etag" else value) for name, value in answer.headers]
        chunked = answer.get("transfer-encoding").lower() == "chunked"
        self._writer.write(answer.written())
        async for block in self._disturbed(body, Kind.CUT_ANSWER, Kind.FLIP_ANSWER):
            self._writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            await self._writer.drain()
        self._writer.write(b"0\r\n\r\n" if chunked and not bodiless else b"")
        await self._writer.drain()
        if self._is(Kind.DELAY, Kind.SLOW, Kind.NO_ETAG):
            self._note()

    async def _disturbed(self, body: AsyncIterator[bytes], cut: Kind, flip: Kind) -> AsyncIterator[bytes]:
        """The body as it comes out at the other end."""
        passed = 0
        async for block in body:
            end, at = passed + len(block), int(self._value)
            if self._is(flip) and passed <= at < end:
                block = block[: at - passed] + bytes([block[at - passed] ^ 1]) + block[at - passed + 1 :]
                self._note()
            if self._is(cut) and end > at:
                yield block[: at - passed]
                self._note()
                raise ConnectionResetError
            if self._is(Kind.SLOW):
                await asyncio.sleep(len(block) / self._value)
                if self._writer.is_closing():
                    raise ConnectionResetError  # what has not passed when somebody leaves never does
            passed = end
            yield block
        if self._is(cut):
            self._note()
            raise ConnectionResetError


async def read_head(reader: asyncio.StreamReader) -> Message:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head[:-4].split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start, [(name, value.strip()) for name, _, value in pairs])


async def read_body(reader: asyncio.StreamReader, message: Message) -> AsyncIterator[bytes]:
    if message.get("transfer-encoding").lower() == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return
    left = int(message.get("content-length") or 0)
    while left:
        block = await reader.read(min(left, BLOCK))
        if not block:
            raise ConnectionResetError
        left -= len(block)
        yield block


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


@contextmanager
def proxying(endpoint: str, seed: int = 0) -> Iterator[Proxy]:
    """A proxy before ``endpoint`` for the length of the block. ``seed`` of its dice."""
    proxy = Proxy(endpoint, seed)
    thread = threading.Thread(target=proxy.run, name="fault-proxy")
    thread.start()
    try:
        proxy.up()
        yield proxy
    finally:
        with suppress(TimeoutError):
            proxy.stop()
        thread.join(PATIENCE)
