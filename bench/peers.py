"""What one would write by hand with Starlette for one purpose: no keys, no rights, no limits, nothing to resume."""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from bench import postgres_peer
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from kist.stores.s3.address import Addresses
from kist.stores.s3.signer import Credential, Signer

_encode = msgspec.json.Encoder().encode


class Shown(msgspec.Struct):
    """A file as the native API shows it, straight from the row."""

    id: str
    name: str
    size: int
    type: str
    sha256: str | None
    owner: str
    bucket: str
    state: str
    visibility: str
    metadata: msgspec.Raw
    created_at: str
    updated_at: str
    version: int


METADATA = Shown.__struct_fields__.index("metadata")


def read(database: Path) -> Starlette:
    """Show a row of Kist's own database, read inline by one SELECT."""
    connection = _connect(database)
    select = f"SELECT {', '.join(Shown.__struct_fields__)} FROM files WHERE id = ?"

    async def show(request: Request) -> Response:
        row = connection.execute(select, (request.path_params["id"],)).fetchone()
        if row is None:
            return Response(status_code=404)
        cells = list(row)
        cells[METADATA] = msgspec.Raw(cells[METADATA].encode())
        return _json(Shown(*cells))

    return Starlette(routes=[Route("/v1/files/{id}", show)])


def create(folder: Path) -> Starlette:
    """Store a small body by the syncs that Kist makes, and insert one row.

    The row is committed before the bytes and again after them; the bytes are synced, renamed, and their folder is
    synced. Blocking work is done in Starlette's threads, commits in turn on one connection.
    """
    connection = _connect(folder / "peer.db")
    connection.execute(
        "CREATE TABLE files (id TEXT PRIMARY KEY, name TEXT, size INTEGER, type TEXT, state TEXT, key TEXT)"
    )
    turn = threading.Lock()

    def commit(sql: str, params: Sequence[Any]) -> None:
        with turn:
            connection.execute(sql, params)

    def store(name: str, type: str, body: bytes) -> Response:
        id, key = str(uuid.uuid4()), uuid.uuid4().hex
        commit("INSERT INTO files VALUES (?, ?, ?, ?, 'pending', ?)", (id, name, len(body), type, key))
        _write_durably(folder, key, body)
        commit("UPDATE files SET state = 'ready' WHERE id = ? AND state = 'pending'", (id,))
        return _json({"id": id, "name": name, "size": len(body), "type": type, "state": "ready"}, 201)

    async def take(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(store, request.query_params["name"], request.headers["content-type"], body)

    return Starlette(routes=[Route("/v1/files", take, methods=["POST"])])


def receive(folder: Path) -> Starlette:
    """Hash and write a body of any size as it comes, sync it, answer with its hash."""

    async def take(request: Request) -> Response:
        digest = sha256()
        with open(folder / uuid.uuid4().hex, "xb", buffering=0) as file:  # noqa: ASYNC230 - as plain as can be
            async for chunk in request.stream():
                digest.update(chunk)
                file.write(chunk)
            await run_in_threadpool(os.fsync, file.fileno())
        return _json({"sha256": digest.hexdigest()}, 201)

    return Starlette(routes=[Route("/v1/files", take, methods=["POST"])])


def send(folder: Path) -> Starlette:
    """Send a file with Starlette's own FileResponse."""

    async def content(_: Request) -> Response:
        return FileResponse(folder / "content.bin")

    return Starlette(routes=[Route("/content.bin", content)])


class Wanted(msgspec.Struct):
    """An upload that somebody wants to make."""

    name: str
    size: int
    type: str


def ticket(folder: Path) -> Starlette:
    """Write down that an upload is to come, and sign one PUT for it: one row, durable before it is answered.

    Blocking work is done in Starlette's threads, commits in turn on one connection. The signer is Kist's own.
    """
    connection = _connect(folder / "peer.db")
    connection.execute(
        "CREATE TABLE uploads (id TEXT PRIMARY KEY, key TEXT, name TEXT, size INTEGER, type TEXT, state TEXT)"
    )
    turn = threading.Lock()
    signer, addresses = _signer()
    decode = msgspec.json.Decoder(Wanted).decode

    def keep(id: str, key: str, wanted: Wanted) -> None:
        with turn:
            row = (id, key, wanted.name, wanted.size, wanted.type)
            connection.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, 'open')", row)

    async def begin(request: Request) -> Response:
        wanted, id, key = decode(await request.body()), str(uuid.uuid4()), uuid.uuid4().hex
        await run_in_threadpool(keep, id, key, wanted)
        headers = (("Content-Type", wanted.type), ("Content-Length", str(wanted.size)), ("x-amz-acl", "private"))
        now = datetime.now(UTC)
        url = signer.url("PUT", addresses.of("bench", key), (), headers, 3600, now)
        ends = now + timedelta(hours=1)
        return _json({"id": id, "method": "PUT", "url": url, "headers": dict(headers), "expires_at": ends}, 201)

    return Starlette(routes=[Route("/v1/uploads", begin, methods=["POST"])])


def follow(database: Path, *, signing: bool = False) -> Starlette:
    """Send on to an address that is made from one SELECT on Kist's own database, by the id of a link.

    ``signing``: for a minute, as S3 wants it and with the name to save under. The signer is Kist's own.
    """
    connection = _connect(database)
    signer, addresses = _signer()
    shown = (
        ("response-content-disposition", 'attachment; filename="file.bin"'),
        ("response-content-type", "application/octet-stream"),
    )

    async def lead(request: Request) -> Response:
        row = connection.execute("SELECT file_id FROM links WHERE id = ?", (request.path_params["id"],)).fetchone()
        if row is None:
            return Response(status_code=404)
        place = addresses.of("bench", row[0])
        url = signer.url("GET", place, shown, (), 60, datetime.now(UTC)) if signing else place.url()
        return RedirectResponse(url, 302)

    return Starlette(routes=[Route("/l/{id}", lead)])


PEERS: dict[str, Callable[[Path], Starlette]] = {
    "read": read,
    "create": create,
    "receive": receive,
    "send": send,
    "ticket": ticket,
    "postgres-ticket": postgres_peer.ticket,
    "follow": follow,
    "follow-signing": partial(follow, signing=True),
}


def _signer() -> tuple[Signer, Addresses]:
    """What signs, and for where. Nobody ever goes there."""
    return Signer(Credential("key", "secret"), "us-east-1"), Addresses("http://127.0.0.1:9000", "us-east-1")


def _json(value: object, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = wal").close()
    connection.execute("PRAGMA synchronous = FULL").close()
    connection.execute("PRAGMA wal_autocheckpoint = 4000").close()
    return connection


def _write_durably(folder: Path, name: str, body: bytes) -> None:
    draft, target = folder / f".{name}", folder / name
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, body)
        os.fsync(file)
    finally:
        os.close(file)
    draft.rename(target)
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(there)
    finally:
        os.close(there)
