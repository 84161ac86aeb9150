"""Several pieces of work: all at once where there is an event loop, one after the other where there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

Work = Coroutine[Any, Any, None]
Together = Callable[[Sequence[Work]], Awaitable[None]]
"""Does all of the work before it returns. When one piece raises, none is left running."""


async def at_once(work: Sequence[Work]) -> None:
    """For the event loop."""
    import asyncio  # blocking hosts never need an event loop

    async with asyncio.TaskGroup() as group:
        for piece in work:
            group.create_task(piece)


async def one_by_one(work: Sequence[Work]) -> None:
    """Where nothing ever suspends."""
    try:
        for piece in work:
            await piece
    finally:
        for piece in work:
            piece.close()
