"""Commits that want one and the same row: in the database they would wait for each other, so they wait here.

Who comes first goes alone and at once. Who comes meanwhile goes together with the others afterwards, in one
transaction, which takes one connection and waits for the disk once. When one of them is refused, or has to wait for
others than these, each is made by itself: none suffers for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kist.catalogues.postgresql.whole import Whole, whole
from kist.catalogues.sql.statements import Statement
from kist.errors import Invalid

MAX_GROUP = 64
SLOW = 0.1  # seconds: what takes longer waits for something else, and keeps the others no longer

Alone = Callable[[Sequence[Statement]], Awaitable[int | None]]
Together = Callable[[Sequence[Whole]], Awaitable[bool]]


class _Waiting:
    """A commit, the same as one statement, and what becomes of it."""

    def __init__(self, statements: Sequence[Statement], at_once: Whole) -> None:
        self.statements = statements
        self.at_once = at_once
        self.outcome: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    def hears(self, refused: int | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result(refused)

    def fails(self, error: BaseException) -> None:
        if self.outcome.done():
            return
        if isinstance(error, Exception):
            self.outcome.set_exception(error)
        else:
            self.outcome.cancel()


@contextmanager
def _nobody_forgotten(group: Sequence[_Waiting]) -> Iterator[None]:
    """Whatever fails in the block: those who wait are told, since nobody else would."""
    try:
        yield
    except BaseException as error:
        for waiting in group:
            waiting.fails(error)
        if not isinstance(error, Exception):
            raise


class _First:
    """Calls ``others`` once: when it ends, or when it has taken ``SLOW`` seconds."""

    def __init__(self, others: Callable[[], None]) -> None:
        self._others = others
        self._alarm: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(SLOW, self.ends)

    def ends(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
            self._others()


class Queues:
    """A queue for each row that is wanted. ``alone`` makes one commit, ``together`` all that it is given, or none."""

    def __init__(self, alone: Alone, together: Together) -> None:
        self._alone = alone
        self._together = together
        self._waiting: dict[str, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, statements: Sequence[Statement]) -> int | None:
        """See ``kist.catalogues.sql.runner.Runner.write``. What has not begun is dropped with its caller."""
        wanted = {statement.wanted for statement in statements if statement.wanted is not None}
        if len(wanted) != 1:
            return await self._alone(statements)
        row = wanted.pop()
        if (queue := self._waiting.get(row)) is None:
            return await self._go_first(row, statements)
        if (at_once := whole(statements)) is None:
            return await self._alone(statements)
        waiting = _Waiting(statements, at_once)
        queue.append(waiting)
        return await waiting.outcome

    async def close(self, patience: float) -> None:
        """Let what waits be made, for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._waiting or self._tasks:  # noqa: ASYNC110 - one leads to the other, and back
                    await asyncio.sleep(0.01)

    async def _go_first(self, row: str, statements: Sequence[Statement]) -> int | None:
        """Make this commit now; those that come meanwhile follow afterwards, or when it takes long."""
        self._waiting[row] = []
        first = _First(lambda: self._let_others(row))
        try:
            return await self._alone(statements)
        finally:
            first.ends()

    def _let_others(self, row: str) -> None:
        if self._waiting[row]:
            self._begin(self._serve(row))
        else:
            del self._waiting[row]

    async def _serve(self, row: str) -> None:
        """Make what waits for ``row``, until nobody does."""
        try:
            while queue := self._waiting[row]:
                self._waiting[row] = queue[MAX_GROUP:]
                await self._soon(self._make(queue[:MAX_GROUP]))
        finally:
            for waiting in self._waiting.pop(row):
                waiting.outcome.cancel()

    async def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for it, but not for long: it goes on by itself."""
        await asyncio.wait([self._begin(work)], timeout=SLOW)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _make(self, group: Sequence[_Waiting]) -> None:
        group = [waiting for waiting in group if not waiting.outcome.done()]
        if len(group) > 1 and await self._made_together(group):
            return
        for waiting in group:
            await self._soon(self._make_alone(waiting))

    async def _made_together(self, group: Sequence[_Waiting]) -> bool:
        """Whether all have heard what became of them."""
        told = True
        with _nobody_forgotten(group):
            try:
                told = await self._together([waiting.at_once for waiting in group])
            except Invalid:  # of one of them
                told = False
            for waiting in group if told else ():
                waiting.hears(None)
        return told

    async def _make_alone(self, waiting: _Waiting) -> None:
        if waiting.outcome.done():
            return
        with _nobody_forgotten([waiting]):
            waiting.hears(await self._alone(waiting.statements))
