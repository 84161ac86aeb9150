"""A clock that stands still and ids that can be foretold, so that tests say exactly what they expect."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until it is moved. ``pause`` moves it on at once and notes the wait in ``pauses``."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._ticks = 0.0
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self._now

    def ticks(self) -> float:
        return self._ticks

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass for both clocks."""
        self._now += timedelta(seconds=seconds)
        self._ticks += seconds

    def jump(self, seconds: float) -> None:
        """Move the wall clock only, also backwards, as a correction of the machine's time does."""
        self._now += timedelta(seconds=seconds)


class FakeIds:
    """The same ids in the same order for the same ``seed``. Two processes on one home need two seeds."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._count = 0

    def uuid(self) -> str:
        return str(uuid.UUID(bytes=self._bytes(16), version=4))

    def token(self, size: int = 16) -> str:
        return self._bytes(size).hex()

    def secret(self) -> str:
        return self._bytes(32).hex()

    def fraction(self) -> float:
        return int.from_bytes(self._bytes(6), "big") / (1 << 48)

    def _bytes(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_128(f"{self._seed}/{self._count}".encode()).digest(size)
