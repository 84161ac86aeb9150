"""The rows that the checker judges, read by plain SQL out of SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

Row: TypeAlias = Mapping[str, Any]
_QUESTIONS = tuple(f"SELECT * FROM {table}" for table in ("files", "uploads", "doomed", "usage"))  # noqa: S608


class Rows(NamedTuple):
    """The tables, as far as they matter here."""

    files: list[Row]
    uploads: list[Row]
    doomed: list[Row]
    usage: list[Row]
    integrity: str

    @property
    def under_way(self) -> list[Row]:
        """The uploads that have not ended."""
        return [row for row in self.uploads if row["state"] in ("open", "sealing")]


def read_rows(database: Path | str) -> Rows:
    """Everything at one moment, from the file of SQLite or from the URL of PostgreSQL."""
    if str(database).startswith("postgres"):
        return asyncio.run(_read_server(str(database)))
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        tables = [connection.execute(sql).fetchall() for sql in _QUESTIONS]
        return _rows(tables, connection.execute("PRAGMA integrity_check").fetchone()[0])


async def _read_server(url: str) -> Rows:
    import asyncpg  # not at import: most homes are of SQLite

    connection = await asyncpg.connect(url.partition("?")[0])
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return _rows([await connection.fetch(sql) for sql in _QUESTIONS], "ok")
    finally:
        await connection.close()


def _rows(tables: Iterable[Iterable[Any]], integrity: str) -> Rows:
    files, uploads, doomed, usage = map(_dicts, tables)
    return Rows(files, uploads, doomed, usage, integrity)


def _dicts(table: Iterable[Any]) -> list[Row]:
    return [dict(row) for row in table]
