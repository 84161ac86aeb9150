"""A way to a PostgreSQL server that can be cut, or lose what the server says, at a chosen message of the client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

COMMIT = b"COMMIT\0"
PATIENCE = 30.0


class Harm(Enum):
    """What happens at the chosen message. LOSE: the server gets it and its answer is lost. CUT: it never gets it."""

    LOSE = "lose"
    CUT = "cut"


class Tap:
    """``url`` leads to the server through here. ``harmed`` counts what was done.

    ``ignores``: a connection on which a client says this gets no answer any more.
    ``stalls``: as long as it is set, connections are taken, and nothing goes either way on any of them.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._to = (parts.hostname or "", parts.port or 5432)
        self._parts = parts
        self._harm: Harm | None = None
        self._mark = b""
        self._left: int | None = None
        self._for_good = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.harmed = 0
        self.stalls = False
        self.ignores = b""
        self.url = ""

    def harm(self, harm: Harm, mark: bytes = COMMIT, *, for_good: bool = False) -> None:
        """Do this once, to the next message that holds ``mark``. ``for_good``: nobody comes through after that."""
        self._mark, self._harm, self._for_good = mark, harm, for_good

    def cut_after(self, messages: int) -> None:
        """Pass on so many more pieces of what clients say, and then let nothing through for good."""
        self._left = messages

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        self.url = self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        return server

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                server_reader, server_writer = await asyncio.open_connection(*self._to)
                backward = asyncio.ensure_future(self._back(server_reader, writer))
                try:
                    await self._forward(reader, server_writer, server_reader, backward)
                finally:
                    backward.cancel()
                    server_writer.transport.abort()
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        backward: asyncio.Future[None],
    ) -> None:
        deaf = False
        while data := await reader.read(1 << 16):
            await self._flow()
            deaf = deaf or bool(self.ignores and self.ignores in data)
            if deaf:
                continue
            if self._left is not None:
                if self._left == 0:
                    self.harmed += 1
                    return
                self._left -= 1
            if self._harm is not None and self._mark in data:
                harm, self._harm = self._harm, None
                self.harmed += 1
                if self._for_good:
                    self._left = 0
                if harm is Harm.LOSE:
                    backward.cancel()
                    with suppress(asyncio.CancelledError):
                        await backward
                    server.write(data)
                    await answers.read(1)  # it has answered, so it has done what it was told
                return
            server.write(data)
            await server.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flow()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _flow(self) -> None:
        while self.stalls:  # noqa: ASYNC110 - it is set from another thread
            await asyncio.sleep(0.01)

    def leave(self) -> None:
        for task in self._tasks:
            task.cancel()


@contextmanager
def tapped(target: str) -> Iterator[Tap]:
    """A tap in a thread of its own for the length of the block."""
    tap = Tap(target)
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await tap.open()
        ready.set()
        await done.wait()
        server.close()
        tap.leave()
        await asyncio.sleep(0.05)  # for what was cancelled

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield tap
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
