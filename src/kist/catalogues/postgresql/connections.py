"""Connections: how they are opened, what is demanded of them, how many there are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from kist.catalogues.postgresql.address import Address
from kist.catalogues.postgresql.meaning import Failure, InDoubt, NotBegun, busy, is_lost, translate
from kist.errors import Misconfigured

CONNECT_PATIENCE = 1.5  # seconds for a new connection: who waits for a server that is gone is told within two
PATIENCE = 5.0  # seconds that a change waits for a connection or for other changes
OLDEST = 130000  # the oldest server that is taken
_STATEMENTS_KEPT = 512  # lists come in some 200 shapes

_SESSION = {
    "application_name": "kist",
    "synchronous_commit": "on",  # a commit is on the disk before it is acknowledged
    "default_transaction_isolation": "read committed",  # what the guarded statements are written for
    "default_transaction_read_only": "off",
    "standard_conforming_strings": "on",
    "lock_timeout": str(round(PATIENCE * 1000)),
    # A process that is stopped in the middle of a commit must not keep its locks for good.
    "idle_in_transaction_session_timeout": str(round(2 * PATIENCE * 1000)),
    "jit": "off",  # the questions are short: compiling them takes longer than answering
}
_DEMANDED = {"synchronous_commit": "on", "default_transaction_isolation": "read committed", "server_encoding": "UTF8"}

log = logging.getLogger("kist")


class Connections:
    """At most ``address.connections`` of them, opened when they are needed. Belongs to one event loop."""

    def __init__(self, address: Address) -> None:
        self._pool: Any = asyncpg.create_pool(
            address.url,
            min_size=0,
            max_size=address.connections,
            init=_demand,
            reset=_leave_as_it_is,
            timeout=CONNECT_PATIENCE,
            statement_cache_size=_STATEMENTS_KEPT,
            server_settings=_SESSION,
        )

    async def open(self) -> None:
        """Make sure that a connection can be had. ``Misconfigured`` when the address or the server is not right."""
        try:
            await self._pool
        except Failure as error:
            raise translate(error) from error
        try:
            async with self.one():
                return
        except BaseException:
            await self.close()
            raise

    async def take(self) -> Any:
        """A connection, to be given back. ``CatalogueBusy`` when none can be had in time."""
        try:
            return await self._pool.acquire(timeout=PATIENCE)
        except Misconfigured:
            raise
        except TimeoutError as error:
            raise busy() from error
        except Failure as error:
            raise translate(error) from error

    async def give_back(self, connection: Any, *, broken: bool = False) -> None:
        """Let others have it. ``broken``: nobody knows what is going on in it, so it is cut off."""
        with suppress(*Failure):  # one that is gone already has left the pool by itself
            if broken:
                connection.terminate()
            await self._pool.release(connection, timeout=PATIENCE)

    async def doubt(self, error: BaseException) -> None:
        """Take no open connection again when one was lost: whatever ended it may have ended the others."""
        cause = error.__cause__ if isinstance(error, NotBegun | InDoubt) else error
        if cause is not None and is_lost(cause) and not isinstance(cause, TimeoutError):
            await self._pool.expire_connections()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for the length of the block, which is cut off when the block does not end well."""
        connection = await self.take()
        try:
            yield connection
        except BaseException:
            await asyncio.shield(self.give_back(connection, broken=True))
            raise
        await self.give_back(connection)

    async def close(self) -> None:
        """Close all. Those that are still in use after a while are cut off."""
        try:
            await asyncio.wait_for(self._pool.close(), PATIENCE)
        except Failure:
            self._pool.terminate()


async def _demand(connection: Any) -> None:
    """Raise ``Misconfigured`` unless a new connection has what Kist relies on."""
    if (version := int(await connection.fetchval("SELECT current_setting('server_version_num')"))) < OLDEST:
        raise Misconfigured(f"the database is PostgreSQL {version // 10000}: {OLDEST // 10000} or newer is needed")
    for name, wanted in _DEMANDED.items():
        found = await connection.fetchval("SELECT current_setting($1)", name)
        if found != wanted:
            raise Misconfigured(f"the database does not accept {name} = {wanted}: it stays at {found}")
    if await connection.fetchval("SELECT current_setting('fsync')") != "on":
        log.warning("the database runs with fsync off: what it has acknowledged may be lost when its machine fails")


async def _leave_as_it_is(connection: Any) -> None:
    """Nothing changes the state of a session here, so there is nothing to reset: it saves a round trip each time."""
