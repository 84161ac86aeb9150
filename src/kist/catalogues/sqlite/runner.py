"""Runs the catalogue's SQL on a SQLite file.

Rows by primary key are read inline: some 15 microseconds, less than handing them to a thread would cost. Whatever may
look at many rows goes to a few reader threads, so the event loop never waits for a scan. Changes go to the writer.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from kist.catalogues.sql.codecs import SQLITE
from kist.catalogues.sql.runner import Params
from kist.catalogues.sql.statements import Statement
from kist.catalogues.sqlite.connection import connect, is_busy, make_file, translate
from kist.catalogues.sqlite.writer import Writer

READERS = 4

T = TypeVar("T")


class SqliteRunner:
    """See ``kist.catalogues.sql.runner.Runner``. Belongs to one event loop; to be made outside it, since it blocks."""

    codec = SQLITE

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        make_file(path)
        self._near = _translated(lambda: connect(path, patience=0.0))
        self._writer = _translated(lambda: Writer(path, loop))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kist-sqlite-reader")
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = [self._near]

    async def find(self, sql: str, params: Params) -> Sequence[Any] | None:
        try:
            row: Sequence[Any] | None = self._near.execute(sql, params).fetchone()
        except UnicodeEncodeError:
            return None
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translate(error) from error
            rows = await self.fetch(sql, params)  # a thread may wait for the lock, the event loop may not
            return rows[0] if rows else None
        return row

    async def fetch(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        return await self._loop.run_in_executor(self._readers, self._scan, sql, params)

    async def write(self, statements: Sequence[Statement], *, frees: bool = False) -> int | None:
        return await self._writer.write(statements, frees=frees)

    async def close(self) -> None:
        await self._loop.run_in_executor(self._readers, self._writer.stop)
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()

    def _scan(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        """In a reader thread."""
        return _translated(lambda: self._scan_raw(sql, params))

    def _scan_raw(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = connect(self._path)
            self._opened.append(connection)
        try:
            return connection.execute(sql, params).fetchall()
        except UnicodeEncodeError:
            return ()


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except sqlite3.Error as error:
        raise translate(error) from error
