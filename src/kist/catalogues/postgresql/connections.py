"""Connections: how they are opened, what is demanded of them, how many there are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from kist.catalogues.postgresql.address import Address
from kist.catalogues.postgresql.at_hand import AtHand, cut_off
from kist.catalogues.postgresql.meaning import Failure, InDoubt, NotBegun, busy, is_lost, translate
from kist.catalogues.postgresql.pulse import Pulse
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
_QUESTION = ", ".join(
    (
        "SELECT current_setting('server_version_num')::int, pg_backend_pid()",
        *(f"current_setting('{name}')" for name in (*_DEMANDED, "fsync")),
    )
)

log = logging.getLogger("kist")


class Connections:
    """At most ``address.connections`` of them, opened when they are needed. Belongs to one event loop.

    ``watched``: work is given up when the server no longer answers, and not by its own patience alone.
    """

    def __init__(self, address: Address, *, watched: bool = True) -> None:
        self._pulse = Pulse(address.url, watches=watched)
        self._pool: Any = asyncpg.create_pool(
            address.url,
            min_size=0,
            max_size=address.connections,
            init=self._meet,
            reset=_leave_as_it_is,
            timeout=CONNECT_PATIENCE,
            statement_cache_size=_STATEMENTS_KEPT,
            server_settings=_SESSION,
        )
        self._at_hand = AtHand(self._release)
        self._awaited = 0
        self._doubted = 0.0

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
        self._pulse.check()
        connection = self._at_hand.take() or await self._acquire()
        self._pulse.begins(connection)
        return connection

    async def give_back(self, connection: Any, *, broken: bool = False) -> None:
        """Let others have it. ``broken``: nobody knows what is going on in it, so it is cut off."""
        begun = self._pulse.ends(connection, answered=not broken)
        if broken:
            cut_off(connection)
        elif begun > self._doubted and not self._awaited and self._at_hand.keep(connection):
            return
        await asyncio.shield(self._release(connection))

    async def doubt(self, error: BaseException) -> None:
        """Take no open connection again when one was lost: whatever ended it may have ended the others."""
        cause = error.__cause__ if isinstance(error, NotBegun | InDoubt) else error
        if cause is not None and is_lost(cause) and not isinstance(cause, TimeoutError):
            self._doubted = asyncio.get_running_loop().time()
            await self._pool.expire_connections()
            self._at_hand.drop()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for the length of the block, which is cut off when the block does not end well."""
        connection = await self.take()
        try:
            yield connection
        except BaseException:
            await self.give_back(connection, broken=True)
            raise
        await self.give_back(connection)

    async def _acquire(self) -> Any:
        self._awaited += 1
        try:
            async with self._pulse.awaited(PATIENCE):
                return await self._pool.acquire()
        except Misconfigured:
            raise
        except TimeoutError as error:
            self._pulse.check()
            raise busy() from error
        except Failure as error:
            raise translate(error) from error
        finally:
            self._awaited -= 1

    async def _release(self, connection: Any) -> None:
        with suppress(*Failure):  # one that is gone already has left the pool by itself
            await self._pool.release(connection, timeout=PATIENCE)

    async def _meet(self, connection: Any) -> None:
        if await _demand(connection) != connection.get_server_pid():
            self._pulse.knows_processes = False

    async def close(self) -> None:
        """Close all. Those that are still in use after a while are cut off."""
        await self._pulse.close()
        await self._at_hand.close()
        try:
            await asyncio.wait_for(self._pool.close(), PATIENCE)
        except Failure:
            self._pool.terminate()


async def _demand(connection: Any) -> int:
    """Raise ``Misconfigured`` unless a new connection has what Kist relies on. Which process of the server has it."""
    version, process, *found = await connection.fetchrow(_QUESTION, timeout=CONNECT_PATIENCE)
    if version < OLDEST:
        raise Misconfigured(f"the database is PostgreSQL {version // 10000}: {OLDEST // 10000} or newer is needed")
    for (name, wanted), value in zip(_DEMANDED.items(), found, strict=False):
        if value != wanted:
            raise Misconfigured(f"the database does not accept {name} = {wanted}: it stays at {value}")
    if found[-1] != "on":
        log.warning("the database runs with fsync off: what it has acknowledged may be lost when its machine fails")
    return int(process)


async def _leave_as_it_is(connection: Any) -> None:
    """Nothing changes the state of a session here, so there is nothing to reset: it saves a round trip each time."""
