"""Run colourless code without an event loop.

The service is written as ``async def`` and only awaits ports. Over blocking adapters, whose ``async def`` methods
never suspend, one ``send(None)`` runs it to its end in the same thread and the same transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Suspended(RuntimeError):
    """A coroutine waited for an event loop where none runs: an async adapter was wired into the blocking set."""


def drive(coro: Coroutine[Any, Any, T]) -> T:
    """Run ``coro`` to its end in this thread and return its result.

    Raises whatever it raises, and ``Suspended``, naming the culprit, when it tries to wait for an event loop.
    """
    try:
        coro.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    culprit = _innermost(coro)
    coro.close()
    raise Suspended(f"{culprit} suspended: blocking code must be given blocking adapters, or run it in an event loop")


def drive_awaitable(awaitable: Awaitable[T]) -> T:
    """The same for what a protocol promises no more of than that it can be awaited."""
    result: T = drive(_step(awaitable))
    return result


def drive_each(source: AsyncIterable[T]) -> Iterator[T]:
    """Iterate over an async iterable that never suspends."""
    steps = source.__aiter__()
    while True:
        try:
            yield drive(_step(steps.__anext__()))
        except StopAsyncIteration:
            return


async def right_here(work: Callable[[Unpack[Args]], T], /, *args: *Args) -> T:
    """The ``aside`` of blocking hosts: a plain call."""
    return work(*args)


async def _step(awaitable: Any) -> Any:
    return await awaitable


def _innermost(coro: Any) -> str:
    """The qualified name of the innermost frame that suspended."""
    name = getattr(coro, "__qualname__", repr(coro))
    while (inner := getattr(coro, "cr_await", None) or getattr(coro, "ag_await", None)) is not None:
        coro = inner
        name = getattr(coro, "__qualname__", type(coro).__name__)
    return str(name)
