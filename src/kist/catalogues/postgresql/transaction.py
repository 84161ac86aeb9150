"""One commit on one connection: all of its statements or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from kist.catalogues.postgresql.meaning import Failure, NotBegun, is_lost
from kist.catalogues.postgresql.parameters import bound
from kist.catalogues.sql.statements import Statement
from kist.errors import Broken

MANY_ALIKE = 20
"""So many changes of one kind in a commit are sent at once."""


async def transact(connection: Any, statements: Sequence[Statement]) -> int | None:
    """None when all was committed, or the index of the statement that was refused, with nothing changed.

    Raises the driver's errors. After one of the server's the transaction has been taken back and the connection is
    whole. When the connection is lost while the commit is being made, it may or may not be made.
    """
    if len(statements) == 1:
        return None if await _run(connection, statements[0]) else 0
    try:
        await connection.execute("BEGIN")
        refused = await _run_all(connection, statements)
        if refused is not None:
            await connection.execute("ROLLBACK")
            return refused
    except Failure as error:
        if is_lost(error):
            raise NotBegun from error
        await connection.execute("ROLLBACK")
        raise
    if await connection.execute("COMMIT") != "COMMIT":
        raise Broken("the database has taken back a commit without an error: its log says more")
    return None


async def _run_all(connection: Any, statements: Sequence[Statement]) -> int | None:
    if _are_alike(statements) and await _run_alike(connection, statements):
        return None
    for index in _order(statements):
        if not await _run(connection, statements[index]):
            return index
    return None


def _order(statements: Sequence[Statement]) -> list[int]:
    """The indexes of the statements in the order to run them: see ``Statement.wanted``."""
    return sorted(range(len(statements)), key=lambda index: statements[index].wanted or "")


async def _run(connection: Any, statement: Statement) -> bool:
    """Whether the statement did what it has to."""
    text, values = bound(statement.sql, statement.params)
    try:
        status: str = await connection.execute(text, *values)
    except asyncpg.UniqueViolationError:
        if statement.counted:
            return False
        raise
    return not statement.counted or status.rpartition(" ")[2] == "1"


def _are_alike(statements: Sequence[Statement]) -> bool:
    first = statements[0].sql
    return len(statements) >= MANY_ALIKE and all(each.counted and each.sql == first for each in statements)


async def _run_alike(connection: Any, statements: Sequence[Statement]) -> bool:
    """Send many statements of one text in one go. False, with nothing done, unless all went well."""
    text, _ = bound(statements[0].sql, statements[0].params)
    values = [bound(each.sql, each.params)[1] for each in statements]
    await connection.execute("SAVEPOINT alike")
    try:
        rows = await connection.fetchmany(text + " RETURNING 1", values)
    except Failure as error:
        if is_lost(error):
            raise
    else:
        if len(rows) == len(statements):
            return True
    await connection.execute("ROLLBACK TO alike")  # one by one it will be seen which it is
    return False
