"""Databases on a PostgreSQL server, and what is asked of one beside the code under test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from kist.catalogues.postgresql import open_catalogue
from kist.catalogues.postgresql.address import read_url
from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.errors import CatalogueBusy
from kist.ports.catalogue import Catalogue
from kist.testing.clock import FakeClock

T = TypeVar("T")

PATIENCE = 30.0
BACK_WITHIN = 5.0
"""Seconds after which a database that answers again has to be used again."""


def made(url: str, name: str, template: str = "template0") -> str:
    """Make a database beside that of ``url`` and return its URL."""
    run(execute(url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def dropped(url: str, name: str) -> None:
    """Remove that database, whoever still uses it."""
    run(execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def ask(url: str, question: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows that answer a question."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return [tuple(row) for row in await connection.fetch(question, *values)]
    finally:
        await connection.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work`` in an event loop of its own: the caller may be inside another one."""
    result: list[T] = []
    failure: list[BaseException] = []

    def thread() -> None:
        try:
            result.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    other = threading.Thread(target=thread)
    other.start()
    other.join()
    if failure:
        raise failure[0]
    return result[0]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlCatalogue]:
    """The catalogue in that database for the length of the block."""
    catalogue = await open_catalogue(read_url(url), FakeClock())
    try:
        yield catalogue
    finally:
        await catalogue.close()


async def back_soon(catalogue: Catalogue) -> None:
    """Demand that changes are taken again in time, as soon as the server is there."""
    give_up = time.monotonic() + BACK_WITHIN
    while True:
        try:
            await catalogue.ping()
            return
        except CatalogueBusy:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    """A session that keeps all others from a table for the length of the block."""
    async with _session(url, f"LOCK TABLE {table}"):
        yield


@asynccontextmanager
async def holding(url: str, file_id: str) -> AsyncIterator[None]:
    """A session that holds the row of a file for the length of the block."""
    async with _session(url, "UPDATE files SET name = name WHERE id = $1", file_id):
        yield


@asynccontextmanager
async def _session(url: str, statement: str, *values: str) -> AsyncIterator[None]:
    """A transaction that has run a statement and goes no further."""
    session = await asyncpg.connect(url)
    try:
        await session.execute("BEGIN")
        await session.execute(statement, *values)
        yield
    finally:
        session.terminate()


async def waiting(url: str) -> int:
    """The process id of a backend of this database that waits for a lock."""
    question = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if rows := await ask(url, question):
            return int(rows[0][0])
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")
