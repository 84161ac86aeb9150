"""Connections that nobody uses just now, kept at hand: to get one from the driver's pool costs as much as to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from asyncpg import InterfaceError

KEPT = 60.0
"""Seconds until all go back to the pool, which closes those that are old, or idle for long."""


class AtHand:
    """``give_back`` returns a connection to the pool. The one that was used last is taken first."""

    def __init__(self, give_back: Callable[[Any], Awaitable[None]]) -> None:
        self._give_back = give_back
        self._free: list[Any] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Future[None] | None = None
        self._closed = False

    def take(self) -> Any | None:
        """A connection that is open, if there is one."""
        while self._free:
            connection = self._free.pop()
            if is_open(connection):
                return connection
            cut_off(connection)  # or the pool may wait for it
        return None

    def keep(self, connection: Any) -> bool:
        """Whether it is kept: not once this is closed."""
        if self._closed:
            return False
        self._free.append(connection)
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(KEPT, self._let_go)
        return True

    def drop(self) -> None:
        """Cut all off: whatever ended another one may have ended them, and closing them would take its time."""
        free, self._free = self._free, []
        for connection in free:
            cut_off(connection)

    async def empty(self) -> None:
        """Give all back."""
        free, self._free = self._free, []
        for connection in free:
            await self._give_back(connection)

    async def close(self) -> None:
        """Give all back, and keep none any more."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._leaving is not None:
            await asyncio.wait([self._leaving])
        await self.empty()

    def _let_go(self) -> None:
        self._alarm = None
        self._leaving = asyncio.ensure_future(self.empty())


def is_open(connection: Any) -> bool:
    """Whether it can be used. The pool takes one back by itself that has ended."""
    try:
        return not connection.is_closed()
    except InterfaceError:
        return False


def cut_off(connection: Any) -> None:
    """End it at once, if it has not ended."""
    with suppress(OSError, InterfaceError):
        connection.terminate()
