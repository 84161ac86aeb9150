"""Commits on one connection: of each, all of its statements or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import asyncpg

from kist.catalogues.postgresql.meaning import Failure, InDoubt, NotBegun, is_lost
from kist.catalogues.postgresql.parameters import bound
from kist.catalogues.postgresql.whole import MARK, Whole, whole
from kist.catalogues.sql.statements import Statement, in_order
from kist.errors import Broken

MANY_ALIKE = 20
"""So many changes of one kind in a commit are sent at once."""

_MARKED = f" RETURNING {MARK}"

_IMPATIENT = "BEGIN; SET LOCAL lock_timeout = '100ms'"
"""Commits that go together wait for no row that others hold: they would keep each other, and hold rows themselves."""
_TAKEN = (asyncpg.UniqueViolationError,)

FATE = "SELECT pg_xact_status(CAST(:xact AS text)::xid8) WHERE pg_postmaster_start_time()::text = :run"
"""What has become of a transaction; no row when the server has been started again since."""


async def transact(connection: Any, statements: Sequence[Statement]) -> int | None:
    """None when all was committed, or the index of the statement that was refused, with nothing changed.

    Raises the driver's errors. After one of the server's the transaction has been taken back and the connection is
    whole. ``NotBegun`` when the connection was lost earlier, ``InDoubt`` when it was lost while the commit was made.
    """
    if len(statements) == 1:
        return None if await _Transaction(connection).run(statements[0]) else 0
    at_once = whole(statements)
    if at_once is not None and await transact_together(connection, [at_once]):
        return None
    return await _carried_out(connection, lambda made: made.run_all(statements))


async def transact_together(connection: Any, commits: Sequence[Whole]) -> bool:
    """Whether all of the commits were made, in one transaction; if one is refused, or has to wait, none is made.

    Raises as ``transact`` does.
    """
    if len(commits) == 1:
        return await _carried_out(connection, lambda made: made.run_wholes(commits, _TAKEN)) is None
    refusals = (*_TAKEN, asyncpg.LockNotAvailableError)
    return await _carried_out(connection, lambda made: made.run_wholes(commits, refusals), _IMPATIENT) is None


async def _carried_out(
    connection: Any, work: Callable[[_Transaction], Awaitable[int | None]], begin: str = "BEGIN"
) -> int | None:
    """Commit what ``work`` does, unless it returns what was refused."""
    made = _Transaction(connection)
    try:
        await connection.execute(begin)
        refused = await work(made)
        if refused is not None:
            await connection.execute("ROLLBACK")
            return refused
    except Failure as error:
        if is_lost(error):
            raise NotBegun from error
        await connection.execute("ROLLBACK")
        raise
    await made.commit()
    return None


class _Transaction:
    """What has been done so far. ``mark``: by what it can be asked after."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._mark: tuple[str, str] | None = None

    async def commit(self) -> None:
        try:
            status = await self._connection.execute("COMMIT")
        except Failure as error:
            if is_lost(error) and self._mark is not None:
                raise InDoubt(*self._mark) from error
            raise
        if status != "COMMIT":
            raise Broken("the database has taken back a commit without an error: its log says more")

    async def run_all(self, statements: Sequence[Statement]) -> int | None:
        if _are_alike(statements) and await self._run_alike(statements):
            return None
        for index in in_order(statements):
            statement = statements[index]
            marks = self._mark is None and statement.counted
            if not await (self._run_marked(statement) if marks else self.run(statement)):
                return index
        return None

    async def run_wholes(self, commits: Sequence[Whole], refusals: tuple[type[Exception], ...]) -> int | None:
        """None when all parts of all commits did what they have to. Commits of one text are sent in one go."""
        for text, alike in groupby(commits, attrgetter("text")):
            try:
                rows = await self._connection.fetchmany(text, [commit.values for commit in alike])
            except refusals:
                return 0
            if not all(done for done, *_ in rows):
                return 0
            self._mark = (rows[0][1], rows[0][2])
        return None

    async def run(self, statement: Statement) -> bool:
        """Whether the statement did what it has to."""
        text, values = bound(statement.sql, statement.params)
        try:
            status: str = await self._connection.execute(text, *values)
        except asyncpg.UniqueViolationError:
            if statement.counted:
                return False
            raise
        return not statement.counted or status.rpartition(" ")[2] == "1"

    async def _run_marked(self, statement: Statement) -> bool:
        """The same for one that counts, which also tells the mark: that costs no round trip of its own."""
        text, values = bound(statement.sql, statement.params)
        try:
            rows = await self._connection.fetch(text + _MARKED, *values)
        except asyncpg.UniqueViolationError:
            return False
        return self._all_done(rows, 1)

    async def _run_alike(self, statements: Sequence[Statement]) -> bool:
        """Send many statements of one text in one go. False, with nothing done, unless all went well."""
        text, _ = bound(statements[0].sql, statements[0].params)
        values = [bound(each.sql, each.params)[1] for each in statements]
        await self._connection.execute("SAVEPOINT alike")
        try:
            rows = await self._connection.fetchmany(text + _MARKED, values)
        except Failure as error:
            if is_lost(error):
                raise
            rows = []
        if self._all_done(rows, len(statements)):
            return True
        await self._connection.execute("ROLLBACK TO alike")  # one by one it will be seen which it is
        return False

    def _all_done(self, rows: Sequence[Sequence[str]], wanted: int) -> bool:
        if len(rows) != wanted:
            return False
        self._mark = (rows[0][0], rows[0][1])
        return True


def _are_alike(statements: Sequence[Statement]) -> bool:
    first = statements[0].sql
    return len(statements) >= MANY_ALIKE and all(each.counted and each.sql == first for each in statements)
