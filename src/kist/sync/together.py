"""Work that is done at the same time, and fails as one: the first error ends the rest and is raised as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")
Start = Callable[[Coroutine[Any, Any, T]], "asyncio.Task[T]"]


@asynccontextmanager
async def together() -> AsyncIterator[Start[Any]]:
    """``start`` a few coroutines; leaving the block waits for all of them."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group.create_task
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
