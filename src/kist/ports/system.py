"""Time and randomness."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock: an aware UTC time, in microseconds."""

    def ticks(self) -> float:
        """Seconds that only ever grow: for intervals, untouched by a jump of the wall clock."""

    async def pause(self, seconds: float) -> None:
        """Come back after ``seconds``."""


class Ids(Protocol):
    def uuid(self) -> str:
        """A new UUID4 in its canonical lower-case text form."""

    def token(self, size: int = 16) -> str:
        """``size`` random bytes in lower-case hex: object keys and key ids."""

    def secret(self) -> str:
        """256 random bits as URL-safe text."""

    def fraction(self) -> float:
        """A random number from 0 up to 1: for jitter."""


class Detects(Protocol):
    def __call__(self, head: bytes) -> str | None:
        """The media type that the first bytes of a content show, None where they show none. Never raises."""
