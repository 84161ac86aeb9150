"""Tell a server that hangs from one that is slow: while work takes long, it is asked something else.

A commit that waits for a row and a list over many rows may take their time, since the server answers meanwhile. One
that answers nothing at all, neither that nor other work, is given up: whoever waits is told, and others are told at
once, until it answers again. A connection on which something was asked that the server has not even begun with is cut
off alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import asyncpg

from kist.catalogues.postgresql.at_hand import cut_off, is_open
from kist.catalogues.postgresql.meaning import Failure, is_lost, unreachable

LATE = 0.4  # seconds that work may take before the server is asked
ANSWER = 1.0  # seconds that it has for its answer: with LATE, callers are told within two
INTERVAL = 0.3  # seconds until it is asked again
_NAME = "kist pulse"

_IDLE = """
    SELECT each.pid, activity.state_change::text, CASE activity.state
        WHEN 'idle' THEN extract(epoch FROM clock_timestamp() - activity.state_change)::float8 END
    FROM unnest($1::int[]) AS each(pid) LEFT JOIN pg_stat_activity AS activity ON activity.pid = each.pid
    WHERE activity.pid IS NULL OR activity.state LIKE 'idle%'
"""
"""Those of the server's processes that have nothing to do, since when, and, outside of a transaction, for how long; or
are there no longer. (Within one, answers are short: who is not told anything further there has not been heard.)"""

_Idle = frozenset[tuple[int, str | None]]

log = logging.getLogger("kist")


class Pulse:
    """Watches the connections of one process. ``watches`` False: as if the server always answered.

    ``knows_processes`` is to be set False where a pooler hides which process of the server a connection belongs to.
    """

    def __init__(self, url: str, *, watches: bool = True) -> None:
        self._url = url
        self._watches = watches
        self._in_use: dict[Any, float] = {}
        self._waiting: dict[asyncio.Timeout, float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._own: Any = None
        self._silent = False
        self._heard = 0.0
        self.knows_processes = True

    def check(self) -> None:
        """``CatalogueBusy`` while the server answers nothing."""
        if self._silent:
            raise unreachable()

    @asynccontextmanager
    async def awaited(self, patience: float) -> AsyncIterator[asyncio.Timeout]:
        """At most so many seconds for a connection, and not even that when the server falls silent."""
        async with asyncio.timeout(patience) as limit:
            self._waiting[limit] = self._now()
            self._set_alarm()
            try:
                yield limit
            finally:
                del self._waiting[limit]

    def begins(self, connection: Any) -> None:
        """The connection is in use from now on."""
        self._in_use[connection] = self._now()
        self._set_alarm()

    def ends(self, connection: Any, *, answered: bool) -> float:
        """It no longer is; since when it was. ``answered``: the server has said all that it was asked for."""
        now = self._now()
        if answered:
            self._heard = now
        return self._in_use.pop(connection, now)

    async def close(self) -> None:
        """Stop watching."""
        self._watches = False
        if self._alarm is not None:
            self._alarm.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _set_alarm(self, after: float = LATE) -> None:
        """There is one alarm for all work, so that work which is done soon costs nothing."""
        if self._watches and self._alarm is None and self._asking is None:
            self._alarm = asyncio.get_running_loop().call_later(after, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        begun = min(chain(self._in_use.values(), self._waiting.values()), default=None)
        if begun is None:
            return
        if (left := begun + LATE - self._now()) > 0:
            self._set_alarm(left)
        else:
            self._asking = asyncio.create_task(self._ask_on())

    def _late(self) -> list[Any]:
        """The connections that are in use for long."""
        before = self._now() - LATE
        found = [connection for connection, begun in self._in_use.items() if begun <= before]
        return [connection for connection in found if is_open(connection)]

    def _anything_late(self) -> bool:
        before = self._now() - LATE
        return any(begun <= before for begun in chain(self._in_use.values(), self._waiting.values()))

    async def _ask_on(self) -> None:
        """Ask until nobody waits for long any more and the server answers."""
        seen: _Idle = frozenset()
        try:
            while self._silent or self._anything_late():
                seen = await self._judge(seen)
                await asyncio.sleep(INTERVAL)
        finally:
            self._hang_up()
            self._asking = None
            if self._in_use or self._waiting:
                self._set_alarm()

    async def _judge(self, seen: _Idle) -> _Idle:
        """Ask once and act on it. ``seen``: which processes have not begun with their work, the last time."""
        late = {connection.get_server_pid(): connection for connection in self._late()}
        asked = self._now()
        begun = {pid: self._in_use[connection] for pid, connection in late.items()}
        try:
            idle = await self._ask(begun)
        except Failure as error:
            self._hang_up()
            if is_lost(error) and not self._shows_life(asked):
                self._fall_silent()
                return frozenset()
            idle = frozenset()  # it refuses, or has too much to do: it is there
        if self._silent:
            self._silent = False
            log.warning("the database answers again")
        for pid, _ in idle & seen:
            if self._in_use.get(late[pid]) == begun[pid]:
                log.warning("a connection to the database is dead: it is replaced")
                cut_off(late[pid])
        return idle

    def _shows_life(self, asked: float) -> bool:
        """Whether other work was answered just now; or nobody knows, since this process itself was held up."""
        now = self._now()
        return self._heard > now - ANSWER / 2 or now > asked + 1.5 * ANSWER

    async def _ask(self, begun: dict[int, float]) -> _Idle:
        """Those that have had nothing to do since before the time that is told with each, or within a transaction."""
        now, processes = self._now(), list(begun) if self.knows_processes else []
        async with asyncio.timeout(ANSWER):
            if self._own is None:
                self._own = await asyncpg.connect(self._url, server_settings={"application_name": _NAME})
            rows = await self._own.fetch(_IDLE, processes)
        return frozenset((pid, since) for pid, since, length in rows if length is None or now - length < begun[pid])

    def _hang_up(self) -> None:
        if self._own is not None:
            self._own.terminate()
            self._own = None

    def _fall_silent(self) -> None:
        """Give up all that is under way: the connections are cut off, which wakes whoever waits for their answers."""
        if not self._silent:
            log.warning("the database does not answer: requests are refused until it does")
        self._silent = True
        for connection in list(self._in_use):
            cut_off(connection)
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(self._now())
