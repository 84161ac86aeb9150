"""A server with the door, over a disk store that signs for it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from tests.acceptance.served import Answer, Client

from kist.app import join
from kist.asgi.app import build_asgi
from kist.asgi.options import HostOptions
from kist.asgi.serving import in_thread
from kist.catalogues.memory import MemoryCatalogue
from kist.detection import detect
from kist.dialects import door, native
from kist.drive import drive, right_here
from kist.model.changes import Add
from kist.model.content import FormLimits, PartRef, SignedForm, SignedRequest
from kist.model.limits import Limits
from kist.model.place import Place
from kist.service.gate import OwnerGate
from kist.service.ports import Ports
from kist.stores.disk import DiskStore
from kist.stores.disk.signing import Signing
from kist.system import SystemIds
from kist.testing.catalogue_samples import an_upload
from kist.testing.clock import FakeClock
from kist.testing.ground import read

T = TypeVar("T")
Args = TypeVarTuple("Args")
BUCKET = "door-bucket"
UP = Place(BUCKET, ".kist/in/up é")
MINUTE = timedelta(minutes=1)
PAGE = "https://app.example"
PATIENCE = 30.0


@dataclass
class Doorway:
    """A server whose disk store signs for it, and the same store looked at from here."""

    client: Client
    clock: FakeClock
    store: DiskStore

    def send(self, signed: SignedRequest, body: bytes = b"", **changed: str) -> Answer:
        """As its holder does: the signed headers, and whatever is changed or added. Empty: left out."""
        headers = {name.replace("-", "_"): value for name, value in signed.headers} | changed
        return self.call(signed.method, signed.url, body, **{name: value for name, value in headers.items() if value})

    def call(self, method: str, url: str, body: bytes | None = None, **headers: str) -> Answer:
        return self.client.call(method, url.removeprefix(self.client.url), body, **headers)

    def put(self, body: bytes = b"hello", **signed: Any) -> SignedRequest:
        headers = signed.pop("headers", [("content-type", "text/plain"), ("content-length", str(len(body)))])
        return self.store.sign("PUT", signed.pop("place", UP), signed.pop("expires", MINUTE), headers=headers, **signed)

    def form(self, max_size: int = 10, min_size: int = 0, *, place: Place = UP) -> SignedForm:
        fields = (("Content-Type", "text/plain"), ("acl", "private"))
        return self.store.sign_form(place, MINUTE, FormLimits(min_size=min_size, max_size=max_size, fields=fields))

    def post(self, form: SignedForm, *file: Any, after: Any = (), **changed: str | None) -> Answer:
        """``changed``: other values for fields, or more fields; None leaves one out."""
        fields = {**dict(form.fields), **{name.replace("_", "-"): value for name, value in changed.items()}}
        sent: list[Any] = [(name, value) for name, value in fields.items() if value is not None]
        sent += [("file", ("any.txt", data, "text/html")) for data in file]
        return self.client.form("POST", urlsplit(form.url).path, [*sent, *after])

    def stored(self, place: Place = UP) -> bytes:
        async def whole() -> bytes:
            return await read(await self.store.open(place))

        return drive(whole())

    def nothing(self, place: Place = UP) -> bool:
        """Nothing was stored, and nothing of it is left."""

        async def listed() -> list[str]:
            return [entry.key async for entry in self.store.list(BUCKET)]

        root = self.store._root
        return drive(listed()) == [] and [path.name for path in (root / ".tmp").glob("*") if path.is_file()] == []

    def nothing_soon(self) -> bool:
        """``nothing``, once the server has noticed who has left."""
        give_up = time.monotonic() + PATIENCE
        while not self.nothing() and time.monotonic() < give_up:
            time.sleep(0.02)
        return self.nothing()


def served(store: Callable[[str, FakeClock], Any], **options: Any) -> Iterator[tuple[str, FakeClock]]:
    clock = FakeClock()

    def make(url: str) -> Starlette:
        catalogue = MemoryCatalogue(clock)
        drive(catalogue.commit(Add(an_upload(bucket=UP.bucket, key=UP.key))))
        ports = Ports(
            store=store(url, clock), catalogue=catalogue, gate=OwnerGate(), clock=clock, ids=SystemIds(),
            detect=detect, limits=Limits(), bucket=BUCKET, secret=b"s" * 32,
        )  # fmt: skip
        return build_asgi(join(ports), [native.DIALECT, door.DIALECT], options=HostOptions(base_url=url, **options))

    with in_thread(make) as url:
        yield url, clock


@pytest.fixture
def doorway(tmp_path: Path) -> Iterator[Doorway]:
    secret = b"a secret of thirty-two bytes or so"
    pool = ThreadPoolExecutor(4)

    def threads(work: Callable[[Unpack[Args]], T], /, *args: *Args) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(pool, work, *args)

    def make(url: str, clock: FakeClock) -> DiskStore:
        return DiskStore(tmp_path / "root", threads, clock, SystemIds(), Signing(secret, url, clock))

    for url, clock in served(make, origins=(PAGE,)):
        store = DiskStore(tmp_path / "root", right_here, clock, SystemIds(), Signing(secret, url, clock))
        drive(store.make_bucket(BUCKET))
        yield Doorway(Client(url), clock, store)
    pool.shutdown()


def refused(answer: Answer, status: int, code: str) -> bool:
    assert (answer.status, answer.headers.get("content-type")) == (status, "application/xml; charset=utf-8"), answer
    assert f"<Error><Code>{code}</Code><Message>".encode() in answer.body
    return True


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def begun(signed: SignedRequest, sent: bytes) -> http.client.HTTPConnection:
    """The request with the first bytes of its body."""
    url = urlsplit(signed.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
    connection.putrequest(signed.method, url.path)
    for name, value in signed.headers:
        connection.putheader(name, value)
    connection.endheaders(sent)
    return connection


def listed_parts(doorway: Doorway, parts_id: str) -> list[PartRef]:
    async def listed() -> list[PartRef]:
        return [part async for part in doorway.store.parts(UP, parts_id)]

    return drive(listed())
