"""The real clock and the real ids: the only file that reads either."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

Pause = Callable[[float], Awaitable[None]]


async def wait_blocking(seconds: float) -> None:
    """Wait by stopping this thread: for the blocking set, under ``drive``."""
    time.sleep(seconds)  # noqa: ASYNC251 - stopping the thread is what it is for


async def wait_in_loop(seconds: float) -> None:
    """Wait in the running event loop."""
    import asyncio  # not at import: blocking hosts never need an event loop

    await asyncio.sleep(seconds)


def new_id() -> uuid.UUID:
    """An id as an object, for models of frameworks that keep ids so."""
    return uuid.uuid4()


class SystemClock:
    """The machine's clock. ``pause`` decides how waiting is done: in the event loop, or by stopping the thread."""

    def __init__(self, pause: Pause = wait_in_loop) -> None:
        self._pause = pause

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ticks(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        await self._pause(seconds)


class SystemIds:
    """Ids and secrets from the operating system's random source."""

    def uuid(self) -> str:
        # As uuid.uuid4 (RFC 9562 §5.4), without the object that it makes in between: twice as fast.
        text = secrets.token_hex(16)
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

    def token(self, size: int = 16) -> str:
        return secrets.token_hex(size)

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def fraction(self) -> float:
        return secrets.randbelow(1 << 53) / (1 << 53)
