"""Run the application: one server in one event loop, which stops without losing what is under way (R13)."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import Any, TypeVar, cast

import uvicorn
import uvloop
from starlette.applications import Starlette

from kist.asgi.connection import Connection
from kist.asgi.deadlines import Watch
from kist.asgi.options import HostOptions
from kist.errors import Misconfigured

log = logging.getLogger("kist.server")

_BACKLOG = 2048
_LAST_WORDS = 5.0
"""Seconds that cancelled requests have for cleaning up."""
_POLL = 0.05

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` in the event loop that the server is fastest in."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to ``host`` and ``port`` (0: a free one). ``Misconfigured`` when that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {host} port {port}: {error.strerror or error}. Choose another with --host and --port"
        ) from error


def address_of(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: Starlette, listener: socket.socket, *, started: Callable[[], None] | None = None) -> None:
    """Serve ``app`` (from ``build_asgi``) on ``listener`` until SIGTERM or SIGINT, then drain and return.

    From the first signal on ``kist.draining`` is true, and within a tenth of a second new connections are refused. What
    has come on the others is answered, and may take ``drain`` seconds; a second signal ends it at once. ``started`` is
    called when connections are taken.
    """
    async with _watched(app) as server:
        await _serve(server, listener, started)


@contextlib.contextmanager
def in_thread(make: Callable[[str], Starlette | Awaitable[Starlette]]) -> Iterator[str]:
    """Serve in a thread, on a free port of loopback, for as long as the block runs: for tests and notebooks.

    ``make`` is called in the thread's event loop with the URL, which the block gets as well.
    """
    listener = bind("127.0.0.1", 0)
    url = address_of(listener)
    ready: Future[_Server] = Future()

    async def main() -> None:
        made = make(url)
        app = await made if inspect.isawaitable(made) else made
        async with _watched(app) as server:
            await _serve(server, listener, lambda: ready.set_result(server))

    def target() -> None:
        try:
            run(main())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    with listener:  # which nobody closes when the start fails
        thread = threading.Thread(target=target, name="kist-server", daemon=True)
        thread.start()
        server = ready.result()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(server.drain + 2 * _LAST_WORDS)


@contextlib.asynccontextmanager
async def _watched(app: Starlette) -> AsyncIterator[_Server]:
    options: HostOptions = getattr(app.state, "options", HostOptions())
    watch = Watch(options.deadlines)
    looking = asyncio.create_task(watch.look())
    try:
        yield _Server(app, options, watch)
    finally:
        looking.cancel()


async def _serve(server: _Server, listener: socket.socket, started: Callable[[], None] | None) -> None:
    server.on_started = started
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server with our connections and our way of stopping."""

    def __init__(self, app: Starlette, options: HostOptions, watch: Watch) -> None:
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", partial(Connection, watch=watch)),
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(options.trusted_proxies),
            forwarded_allow_ips=list(options.trusted_proxies),
        )
        super().__init__(config)
        self.drain = options.deadlines.drain
        self.on_started: Callable[[], None] | None = None
        self._kist = getattr(app.state, "kist", None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise Misconfigured("the server could not start: its log says why") from error
        if self.started and self.on_started is not None:
            self.on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends. uvicorn would raise the signal again and not exit with 0."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._tell_draining()

    def _tell_draining(self) -> None:
        if self._kist is not None:
            self._kist.draining = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, let requests finish until ``drain`` is over, then end them."""
        self._tell_draining()
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        await self._wait_for_requests()
        await self._end_requests()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.shutdown(), _LAST_WORDS if self.force_exit else None)

    async def _wait_for_requests(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.drain
        state = self.server_state
        while (state.connections or state.tasks) and not self.force_exit and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL)

    async def _end_requests(self) -> None:
        tasks = tuple(self.server_state.tasks)
        if tasks:
            log.warning("cutting off %d requests that did not finish in time", len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS)
        for connection in tuple(self.server_state.connections):
            cast("Connection", connection).abort()
