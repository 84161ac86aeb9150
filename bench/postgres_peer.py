"""What one would write by hand with Starlette and asyncpg to begin direct uploads: no keys, no rights, no limits."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kist.stores.s3.address import Addresses
from kist.stores.s3.signer import Credential, Signer

URL_FILE = "database"
"""In the peer's folder: the address of its database."""
_TABLE = """
    CREATE TABLE IF NOT EXISTS uploads (
        id text PRIMARY KEY, file text, key text, name text, size bigint, type text, state text, started_at timestamptz
    )
"""
_INSERT = "INSERT INTO uploads VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)"


class Wanted(msgspec.Struct):
    """An upload that somebody wants to make."""

    name: str
    size: int
    type: str


class Ticket(msgspec.Struct):
    """What Kist answers, with the same fields."""

    id: str
    file: str
    way: str
    expires_at: datetime
    complete_url: str
    method: str
    url: str
    headers: dict[str, str]


def ticket(folder: Path) -> Starlette:
    """Insert one row, durable before it is answered, and sign one PUT. The signer is Kist's own."""
    database = Database((folder / URL_FILE).read_text())
    signer, addresses = (
        Signer(Credential("key", "secret"), "us-east-1"),
        Addresses("http://127.0.0.1:9000", "us-east-1"),
    )
    decode, encode = msgspec.json.Decoder(Wanted).decode, msgspec.json.Encoder().encode

    async def begin(request: Request) -> Response:
        wanted = decode(await request.body())
        id, file, key, now = str(uuid.uuid4()), str(uuid.uuid4()), uuid.uuid4().hex, datetime.now(UTC)
        pool = await database.pool()
        await pool.execute(_INSERT, id, file, key, wanted.name, wanted.size, wanted.type, now)
        headers = (("Content-Type", wanted.type), ("Content-Length", str(wanted.size)), ("x-amz-acl", "private"))
        url = signer.url("PUT", addresses.of("bench", key), (), headers, 3600, now)
        complete = f"{request.base_url}v1/uploads/{id}/complete"
        shown = Ticket(id, file, "put", now + timedelta(hours=1), complete, "PUT", url, dict(headers))
        return Response(encode(shown), 201, {"location": f"/v1/uploads/{id}"}, media_type="application/json")

    return Starlette(routes=[Route("/v1/uploads", begin, methods=["POST"])])


class Database:
    """As many connections as a process of Kist has, made with the first request."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._turn = asyncio.Lock()
        self._pool: Any = None

    async def pool(self) -> Any:
        if self._pool is None:
            async with self._turn:
                if self._pool is None:
                    pool = await asyncpg.create_pool(self._url, min_size=1, max_size=10)
                    await pool.execute(_TABLE)
                    self._pool = pool
        return self._pool
