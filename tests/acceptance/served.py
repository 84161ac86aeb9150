"""A whole Kist behind a real socket, and a small client to talk to it as its users do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import urllib3
from starlette.applications import Starlette
from tests.servers.server import S3Server

from kist.app import assemble, dialects
from kist.asgi.app import build_asgi
from kist.asgi.options import HostOptions
from kist.asgi.serving import in_thread
from kist.model.actor import Actor, Role
from kist.service.kist import Kist
from kist.settings import Settings, read_settings

T = TypeVar("T")
ROOT = Actor("root", Role.ADMIN)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Calls a server with one key, or with none."""

    url: str
    key: str | None = None
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, maxsize=8))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request. Header names are written with ``_``; a dictionary is sent as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key is not None:
            sent.setdefault("authorization", f"Bearer {self.key}")
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        reply = self.pool.request(method, self.url + path, body=body, headers=sent, redirect=False)
        return Answer(reply.status, reply.headers, reply.data)

    def form(self, method: str, path: str, fields: Any, **headers: str) -> Answer:
        """A multipart form; a file field is a tuple of name, bytes and type."""
        body, content_type = urllib3.encode_multipart_formdata(fields)
        return self.call(method, path, body, **{"content_type": content_type, **headers})

    def put(self, name: str, data: bytes, type: str = "application/octet-stream") -> dict[str, Any]:
        """Upload a file by the native API and return what the server says of it."""
        answer = self.call("POST", f"/v1/files?name={quote(name)}", data, content_type=type)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json
        return made

    def content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        answer = self.call("GET", f"/v1/files/{file_id}/content")
        assert answer.status == 200, answer.body
        return answer.body


@dataclass(frozen=True)
class Site:
    """A running server with a client for each role."""

    url: str
    kist: Kist
    settings: Settings
    ann: Client
    bob: Client
    admin: Client
    nobody: Client
    loop: asyncio.AbstractEventLoop
    host: str = "asgi"
    twin: str = ""
    """Where a server of the other kind answers on the same tables and store, if there is one."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work`` where the server lives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def client(self, key: str | None, address: str = "127.0.0.1") -> Client:
        """A client with that key, at that address of loopback: wrong keys are counted for each address."""
        return Client(self.url, key, urllib3.PoolManager(retries=False, maxsize=8, source_address=(address, 0)))


def memory_settings(home: Path, **more: str) -> Settings:
    """Everything in memory."""
    return read_settings({"KIST_HOME": str(home), "KIST_STORE": "memory:", "KIST_DATABASE": "memory:"} | more, home)


def disk_settings(home: Path, **more: str) -> Settings:
    """The defaults: SQLite and disk."""
    return read_settings({"KIST_HOME": str(home)} | more, home)


def s3_settings(home: Path, server: S3Server, **more: str) -> Settings:
    """SQLite and a new bucket of a real S3 server."""
    bucket = f"kist-{uuid.uuid4().hex[:12]}"
    store = {
        "KIST_STORE": f"s3://{bucket}?endpoint={quote(server.endpoint)}&region={server.region}",
        "KIST_S3_KEY": server.key,
        "KIST_S3_SECRET": server.secret,
    }
    return disk_settings(home, **(store | more))


Prepare = Callable[[Kist], Awaitable[object]]


class Serve(Protocol):
    """A host: see ``serving``."""

    def __call__(
        self, settings: Settings, options: HostOptions | None = None, prepare: Prepare | None = None
    ) -> AbstractContextManager[Site]:
        """Serve for as long as the block runs."""


@contextlib.contextmanager
def serving(settings: Settings, options: HostOptions | None = None, prepare: Prepare | None = None) -> Iterator[Site]:
    """Serve a Kist with ``settings`` for as long as the block runs, after ``prepare`` was awaited in its loop."""
    kept: dict[str, Any] = {}

    async def make(url: str) -> Starlette:
        made = await assemble(dataclasses.replace(settings, public_url=settings.public_url or url))
        kist = kept["kist"] = made.kist
        kept["worker"] = asyncio.create_task(made.work.worker(kist).run())
        kept["loop"] = asyncio.get_running_loop()
        if prepare is not None:
            await prepare(kist)
        for name, role in (("ann", Role.USER), ("bob", Role.USER), ("root", Role.ADMIN)):
            _, kept[name] = await kist.keys.create(ROOT, name, role=role)

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> Any:
            yield
            kept["worker"].cancel()
            await asyncio.gather(kept["worker"], return_exceptions=True)
            await kist.close()

        return build_asgi(
            kist,
            dialects(settings),
            options=options or HostOptions(base_url=url, origins=settings.origins),
            lifespan=lifespan,
        )

    with in_thread(make) as url:
        yield Site(
            url=url,
            kist=kept["kist"],
            settings=settings,
            ann=Client(url, kept["ann"]),
            bob=Client(url, kept["bob"]),
            admin=Client(url, kept["root"]),
            nobody=Client(url),
            loop=kept["loop"],
        )
