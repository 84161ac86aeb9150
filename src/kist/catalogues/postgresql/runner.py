"""Runs the catalogue's SQL on PostgreSQL.

Each commit is a transaction whose first statement is a write, so two of them that want the same row wait for each other
instead of failing. One that has begun is carried to its end even when its caller has left; one that still waits for a
connection then is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, TypeVar

from kist.catalogues.postgresql.address import Address
from kist.catalogues.postgresql.connections import PATIENCE, Connections
from kist.catalogues.postgresql.meaning import (
    ROLLED_BACK,
    Failure,
    InDoubt,
    NotBegun,
    busy,
    is_lost,
    translate,
    unreachable,
)
from kist.catalogues.postgresql.parameters import bound
from kist.catalogues.postgresql.queues import Queues
from kist.catalogues.postgresql.transaction import FATE, transact, transact_together
from kist.catalogues.postgresql.whole import Whole
from kist.catalogues.sql.codecs import POSTGRES
from kist.catalogues.sql.runner import Params
from kist.catalogues.sql.statements import Statement
from kist.errors import KistError

FIND_PATIENCE = PATIENCE  # seconds for one row
READ_PATIENCE = 30.0  # seconds for a question that may look at many rows
WRITE_PATIENCE = 2 * PATIENCE  # seconds for a whole commit, whatever it waits for

DOUBT_PATIENCE = 1.5  # seconds to find out what has become of a commit whose answer was lost

_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds before each further attempt at what the server has rolled back, and up to twice as many."""
_MIGRATING = 0x6B697374
"""The advisory lock that one process holds while it changes the tables."""

T = TypeVar("T")


class PostgresRunner:
    """See ``kist.catalogues.sql.runner.Runner``. Belongs to one event loop.

    ``hurried`` False: statements may take as long as they need, as those of migrations do.
    """

    codec = POSTGRES

    def __init__(self, address: Address, *, hurried: bool = True) -> None:
        self._connections = Connections(address, watched=hurried)
        self._find_patience = FIND_PATIENCE if hurried else None
        self._read_patience = READ_PATIENCE if hurried else None
        self._write_patience = WRITE_PATIENCE if hurried else None
        self._spread = cycle((0.0, 0.6, 0.2, 0.8, 0.4, 1.0))  # so that those who met do not meet again
        self._under_way: set[asyncio.Task[Any]] = set()
        self._queues = Queues(self._make_one, self._make_all)

    async def open(self) -> None:
        """Must be awaited first. ``Misconfigured`` when the server is not one that can be used."""
        await self._connections.open()

    async def find(self, sql: str, params: Params) -> Sequence[Any] | None:
        text, values = bound(sql, params)
        if _holds_no_row(values):
            return None
        found: Sequence[Any] | None = await self._ask(
            lambda connection: connection.fetchrow(text, *values, timeout=self._find_patience)
        )
        return found

    async def fetch(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        text, values = bound(sql, params)
        if _holds_no_row(values):
            return ()
        rows: Sequence[Sequence[Any]] = await self._ask(
            lambda connection: connection.fetch(text, *values, timeout=self._read_patience)
        )
        return rows

    async def write(self, statements: Sequence[Statement], *, frees: bool = False) -> int | None:
        return await self._queues.write(statements)

    async def _make_one(self, statements: Sequence[Statement]) -> int | None:
        return await self._made(lambda connection: transact(connection, statements), None)

    async def _make_all(self, commits: Sequence[Whole]) -> bool:
        return await self._made(lambda connection: transact_together(connection, commits), True)

    async def _made(self, transaction: Callable[[Any], Awaitable[T]], success: T) -> T:
        """What ``transaction`` returns; ``success`` when it was made and its answer was lost."""
        for pause in (*_PAUSES, None):
            connection = await self._connections.take()
            work = asyncio.ensure_future(self._carry_out(connection, transaction))
            self._under_way.add(work)
            work.add_done_callback(self._under_way.discard)
            try:
                return await asyncio.shield(work)
            except (NotBegun, InDoubt, *ROLLED_BACK) as error:
                await self._connections.doubt(error)
                if isinstance(error, InDoubt) and await self._was_made(error):
                    return success
                # Nothing was changed, so the same may be tried again.
                if pause is None:
                    raise busy() from error
                await asyncio.sleep(pause * (1 + next(self._spread)))
            except Failure as error:
                await self._connections.doubt(error)
                raise translate(error) from error
        raise AssertionError("the last pause is None")

    async def close(self) -> None:
        await self._queues.close(WRITE_PATIENCE)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=WRITE_PATIENCE)
        await self._connections.close()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the right to change the tables: one process has it at a time, and loses it with its connection."""
        async with self._connections.one() as connection:
            try:
                await connection.execute("SET lock_timeout = 0")  # a migration takes as long as it takes
                await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATING)
            except Failure as error:
                raise translate(error) from error
            yield
            connection.terminate()  # and with it goes the lock

    async def _carry_out(self, connection: Any, transaction: Callable[[Any], Awaitable[T]]) -> T:
        """One attempt at it, in a task of its own; gives the connection back."""
        broken = True
        try:
            async with asyncio.timeout(self._write_patience):
                outcome = await transaction(connection)
            broken = False
            return outcome
        except Failure as error:
            broken = is_lost(error) or connection.is_in_transaction()
            raise
        finally:
            await self._connections.give_back(connection, broken=broken)

    async def _was_made(self, lost: InDoubt) -> bool:
        """Whether a commit was made whose answer was lost. ``CatalogueBusy`` when nobody can tell in time."""
        give_up = asyncio.get_running_loop().time() + DOUBT_PATIENCE
        while True:
            try:
                fate = await self.find(FATE, {"xact": lost.xact, "run": lost.run})
            except KistError as error:
                raise unreachable() from error
            state = None if fate is None else fate[0]
            if state in ("committed", "aborted"):
                return bool(state == "committed")
            if state is None or asyncio.get_running_loop().time() > give_up:
                raise unreachable() from lost
            await asyncio.sleep(0.02)

    async def _ask(self, question: Callable[[Any], Awaitable[T]]) -> T:
        """The answer to a question, which is asked again when its connection turns out to be a dead one."""
        for last in (False, True):
            connection = await self._connections.take()
            broken = True
            try:
                answer = await question(connection)
                broken = False
                return answer
            except Failure as error:
                broken = is_lost(error)
                await self._connections.doubt(error)
                if last or isinstance(error, TimeoutError) or not (broken or isinstance(error, ROLLED_BACK)):
                    raise translate(error) from error
            finally:
                await self._connections.give_back(connection, broken=broken)
        raise AssertionError("the last attempt returns or raises")


def _holds_no_row(values: Sequence[Any]) -> bool:
    """Whether some text among the values cannot be in any row: the server would refuse the question."""
    return not all(POSTGRES.holds(value) for value in values if isinstance(value, str))
