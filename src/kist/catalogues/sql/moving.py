"""All rows of one database into another, as when a Kist moves from SQLite to PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from kist.catalogues.sql.runner import Runner
from kist.catalogues.sql.schema import TABLES, RowCodec, Table
from kist.catalogues.sql.statements import Writer
from kist.errors import Misconfigured
from kist.model.changes import Add

AT_ONCE = 500


async def copy_rows(source: Runner, target: Runner) -> int:
    """Copy every row of ``source``, and return how many there were. Both have the tables of this release.

    ``Misconfigured`` when ``target`` holds any row, so a copy that was cut off is begun again in an empty database.
    Nobody may change either of them meanwhile.
    """
    for table in TABLES.values():
        if await target.fetch(_page(table, further=False), {"limit": 1}):
            raise Misconfigured("the database that the rows are to be copied into must be empty: make a new one")
    writer, copied = Writer(target.codec), 0
    for table in TABLES.values():
        async for rows in _pages(source, table):
            refused = await target.write([writer.statement(Add(row)) for row in rows])
            if refused is not None:
                raise Misconfigured(
                    "somebody else writes into the database that the rows are copied into: stop it first"
                )
            copied += len(rows)
    return copied


async def _pages(source: Runner, table: Table[Any]) -> AsyncIterator[Sequence[Any]]:
    """All rows of a table, in the order of their identities."""
    codec: RowCodec[Any] = RowCodec(table, source.codec)
    rows: Sequence[Any] = ()
    while True:
        params: dict[str, Any] = {"limit": AT_ONCE}
        if rows:
            params |= {f"last_{name}": getattr(rows[-1], name) for name in table.identity}
        rows = codec.decode_all(await source.fetch(_page(table, further=bool(rows)), params))
        if not rows:
            return
        yield rows


def _page(table: Table[Any], *, further: bool) -> str:
    identity = ", ".join(table.identity)
    beyond = f"WHERE ({identity}) > ({', '.join(f':last_{name}' for name in table.identity)}) " if further else ""
    return table.select(f"{beyond}ORDER BY {identity} LIMIT :limit")
