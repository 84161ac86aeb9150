"""Who is too slow: one look at every connection per tick, no timer for each (T55; uvicorn waits for ever)."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Protocol

from kist.asgi.options import Deadlines


class Phase(Enum):
    """What a connection is waiting for."""

    HEADERS = auto()
    EXCHANGE = auto()
    KEEP_ALIVE = auto()
    LINGER = auto()


class Late(Enum):
    """Which deadline has passed."""

    HEADERS = auto()
    BODY = auto()
    WRITE = auto()
    IDLE = auto()
    LINGER = auto()


class Pace:
    """How fast one connection moves."""

    __slots__ = ("_flushed", "_limits", "_moved", "_received", "_window", "phase", "since")

    def __init__(self, limits: Deadlines, now: float) -> None:
        self._limits = limits
        self._flushed = 0
        self._moved = now
        self._received = 0
        self._window = now
        self.phase = Phase.HEADERS
        self.since = now

    def enter(self, phase: Phase, now: float) -> None:
        """The connection waits for something else from ``now`` on."""
        self.phase = phase
        self.since = now
        if phase is Phase.EXCHANGE:
            self._window = now
            self._received = 0

    def write_late(self, now: float, written: int, buffered: int) -> Late | None:
        """Whether the client has stopped taking what was ``written``, of which ``buffered`` bytes are still here."""
        flushed = written - buffered
        if not buffered or flushed != self._flushed:
            self._flushed = flushed
            self._moved = now
            return None
        return Late.WRITE if now - self._moved > self._limits.write_idle else None

    def wait_late(self, now: float) -> Late | None:
        """Whether what the connection waits for, other than a body, has taken too long."""
        limits, waited = self._limits, now - self.since
        if self.phase is Phase.HEADERS and waited > limits.headers:
            return Late.HEADERS
        if self.phase is Phase.KEEP_ALIVE and waited > limits.keep_alive:
            return Late.IDLE
        if self.phase is Phase.LINGER and waited > limits.linger:
            return Late.LINGER
        return None

    def body_late(self, now: float, waiting_since: float | None, received: int) -> Late | None:
        """Whether a body of which ``received`` bytes are here comes too slowly.

        ``waiting_since``: since when the handler waits and nothing came, None while it does not wait. The client is
        only blamed for windows in which the handler waited at each look.
        """
        limits = self._limits
        if waiting_since is None:
            self._window, self._received = now, received
            return None
        if now - waiting_since > limits.body_idle:
            return Late.BODY
        if now - self._window < limits.body_window:
            return None
        slow = received - self._received < limits.body_rate * limits.body_window
        self._window, self._received = now, received
        return Late.BODY if slow else None


class Watched(Protocol):
    def check(self, now: float) -> None:
        """Look at the deadlines and act on those that have passed."""


class Watch:
    """Looks at all connections of one event loop, once per tick."""

    def __init__(self, limits: Deadlines) -> None:
        self.limits = limits
        self._watched: set[Watched] = set()

    def add(self, connection: Watched) -> None:
        """Look at ``connection`` from the next tick on."""
        self._watched.add(connection)

    def forget(self, connection: Watched) -> None:
        """No longer look at it; one that is not known is fine."""
        self._watched.discard(connection)

    async def look(self) -> None:
        """Look until cancelled. After the loop was held up one look is left out: what came meanwhile is read first."""
        loop = asyncio.get_running_loop()
        looked, left_out = loop.time(), False
        while True:
            await asyncio.sleep(self.limits.tick)
            now = loop.time()
            left_out = not left_out and now - looked > 2 * self.limits.tick
            looked = now
            if left_out:
                continue
            for connection in tuple(self._watched):
                connection.check(now)
