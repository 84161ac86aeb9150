"""A Kist that only knows who is calling, a dialect with one route of each sort, and a raw client to try them with."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette

from kist.asgi.app import build_asgi
from kist.asgi.options import Deadlines, HostOptions
from kist.asgi.serving import in_thread
from kist.errors import Broken, FileMissing, KistError, NotSignedIn
from kist.model.actor import ANONYMOUS, Actor, Role
from kist.ports.measures import Measures
from kist.service.uncounted import Uncounted
from kist.wire.body import Body
from kist.wire.call import Call
from kist.wire.problems import problem
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Dialect, Needs, Route

PATIENT = Deadlines(linger=30, notice=0.2, drain=2, tick=0.05)
"""Closes nobody who is only held up for a while, looks often and stops soon."""
SIGNED_IN = {"Authorization": "Bearer ann"}


class ToyEntry:
    """The token is the actor's id; ``root`` is an admin, ``wrong`` is nobody."""

    async def admit(
        self, token: str | None, *, act_as: str | None, address: str, dialect: str, known: Actor | None = None
    ) -> Actor:
        if token in ("", "wrong"):
            raise NotSignedIn("this key is not valid")
        if token is None:
            return ANONYMOUS
        return Actor(act_as or token, Role.ADMIN if token == "root" else Role.USER, via=token if act_as else None)


@dataclass
class ToyKist:
    """What the handlers below write down."""

    entry: ToyEntry = field(default_factory=ToyEntry)
    measures: Measures = field(default_factory=Uncounted)
    draining: bool = False
    pulled: int = 0
    closed: int = 0
    held: int = 0
    settled: list[int] = field(default_factory=list)
    failures: list[KistError] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


async def who(call: Call, kist: ToyKist) -> Reply:
    return Reply.json(
        {"id": call.params.get("id"), "actor": call.actor.id, "via": call.actor.via, "q": call.query.all("q")}
    )


async def take(call: Call, kist: ToyKist) -> Reply:
    """Read the body, then settle: as an upload does."""
    try:
        async for block in call.body:
            kist.pulled += len(block)
    except KistError as error:
        kist.failures.append(error)
        raise
    await asyncio.sleep(float(call.query.get("settle") or 0))
    kist.settled.append(call.body.received)
    return Reply.json({"received": call.body.received}, 201)


async def hold(call: Call, kist: ToyKist) -> Reply:
    """Keep an upload under way until the gate opens."""
    kist.held += 1
    await kist.gate.wait()
    return await take(call, kist)


async def small(call: Call, kist: ToyKist) -> Reply:
    kist.bodies.append(call.body)
    return Reply.json({"size": len(await call.body.read(1 << 30))})


async def fail(call: Call, kist: ToyKist) -> Reply:
    kinds: dict[str, Exception] = {
        "missing": FileMissing("no such file"),
        "broken": Broken("the store is on fire"),
        "bug": ZeroDivisionError("secret detail"),
        "header": KeyError("x"),
    }
    if call.params["kind"] == "header":
        return Reply.text("x", headers=[("x-name", "a\r\nset-cookie: b")])
    raise kinds[call.params["kind"]]


async def stream(call: Call, kist: ToyKist) -> Reply:
    """``blocks`` blocks of ``size`` bytes; ``break`` raises in the middle, ``unknown`` does not tell the length."""
    count, size = int(call.query.get("blocks") or 3), int(call.query.get("size") or 10)

    async def body() -> AsyncIterator[bytes]:
        for number in range(count):
            if call.query.get("break") and number == count // 2:
                raise RuntimeError("the disk is gone")
            kist.pulled += size
            yield b"x" * size

    async def close() -> None:
        kist.closed += 1

    return Reply.stream(body(), length=None if call.query.get("unknown") else count * size, close=close)


def _route(method: str, path: str, handler: Any, **more: Any) -> Route:
    return Route(method=method, path=path, handler=handler, name=f"{method} {path}", summary="", **more)


TOY = Dialect(
    name="toy",
    routes=(
        _route("GET", "/v1/things/{id}", who),
        _route("GET", "/v1/things", who),
        _route("POST", "/v1/things/special", small, body=BodyKind.SMALL, accepts_types=("application/json",)),
        _route("POST", "/v1/small", small, body=BodyKind.SMALL),
        _route("POST", "/v1/large", small, body=BodyKind.SMALL, cap=2 << 20),
        _route("POST", "/v1/open", small, needs=Needs.WHAT_IT_NEEDS, body=BodyKind.SMALL),
        _route("POST", "/v1/files", take, body=BodyKind.FILE),
        _route("POST", "/v1/held", hold, body=BodyKind.FILE),
        _route("GET", "/v1/stream", stream),
        _route("GET", "/v1/fail/{kind}", fail),
        _route("DELETE", "/v1/admin", who, needs=Needs.ADMIN),
        _route("GET", "/v1/keys/{name}/{key...}", who),
        _route("GET", "/l/{token}", who, needs=Needs.NOTHING),
        _route("GET", "/healthz", who, needs=Needs.NOTHING),
    ),
    show_error=problem,
)


def show_plainly(error: KistError, call: Call) -> Reply:
    return Reply.json({"error": error.message}, 400)


OTHER = Dialect(name="other", routes=(_route("GET", "/files/{id}", who),), show_error=show_plainly)


def make(kist: ToyKist | None = None, **options: Any) -> Starlette:
    return build_asgi(kist or ToyKist(), [TOY, OTHER], options=HostOptions(**options))


@contextmanager
def served(
    kist: ToyKist | None = None, deadlines: Deadlines = PATIENT, **options: Any
) -> Iterator[tuple[ToyKist, str]]:
    """A server in a thread: its Kist and its URL."""
    served_kist = kist or ToyKist()
    with in_thread(lambda url: make(served_kist, deadlines=deadlines, base_url=url, **options)) as url:
        yield served_kist, url


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Come back when it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def refuses(url: str) -> bool:
    """Whether no new connection is taken there."""
    try:
        Raw(url).socket.close()
    except ConnectionRefusedError:
        return True
    return False


class Raw:
    """A socket that says exactly what it is told to."""

    def __init__(self, url: str, source: str = "127.0.0.1") -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=30, source_address=(source, 0))
        self.heard = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def say(self, *lines: str, body: bytes = b"") -> None:
        self.socket.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1") + body)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer that tells its length."""
        while b"\r\n\r\n" not in self.heard:
            self._hear()
        head, _, self.heard = self.heard.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(headers.get("content-length", 0))
        while len(self.heard) < length:
            self._hear()
        body, self.heard = self.heard[:length], self.heard[length:]
        return int(lines[0].split(" ")[1]), headers, body

    def rest(self) -> bytes:
        """All that comes until the server closes; a reset counts as closing."""
        found = bytearray(self.heard)
        try:
            while block := self.socket.recv(65536):
                found += block
        except ConnectionResetError:
            pass
        return bytes(found)

    def _hear(self) -> None:
        block = self.socket.recv(65536)
        if not block:
            raise EOFError(f"closed after {self.heard!r}")
        self.heard += block
