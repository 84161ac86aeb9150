"""A request body that counts its own bytes, so that no handler can forget to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from kist.errors import Incomplete, KistError, TooLarge

Pull = Callable[[], Awaitable[bytes]]
Hold = Callable[[int], None]


class Body(AsyncIterator[bytes]):
    """The bytes of a request: iterate once, in blocks that are never empty.

    ``pull`` is the host's: it returns the next block, ``b""`` at the end, and raises ``Incomplete`` when the sender
    leaves. ``length`` is the declared Content-Length. ``limit`` may be set until the first read. ``hold`` is the host's
    as well: it is asked before ``read`` keeps bytes in memory, and may raise; ``held`` counts those that are kept.

    Raises ``TooLarge`` as soon as more than ``limit`` bytes came (or were declared), and ``Incomplete`` when the end
    comes at another count than ``length``. Once it has raised, it raises the same again.
    """

    __slots__ = ("_failure", "_pull", "finished", "held", "hold", "length", "limit", "received")

    def __init__(self, pull: Pull, length: int | None = None, limit: int | None = None) -> None:
        self._pull = pull
        self._failure: KistError | None = None
        self.held = 0
        self.hold: Hold | None = None
        self.length = length
        self.limit = limit
        self.received = 0
        self.finished = False

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if self.finished:
            raise StopAsyncIteration
        try:
            return await self._next()
        except KistError as failure:
            self._failure = failure
            raise

    async def _next(self) -> bytes:
        if self.limit is not None and self.length is not None and self.length > self.limit:
            raise too_large(self.limit)
        block = await self._pull()
        if not block:
            self._check_end()
            self.finished = True
            raise StopAsyncIteration
        self.received += len(block)
        if self.limit is not None and self.received > self.limit:
            raise too_large(self.limit)
        return block

    def _check_end(self) -> None:
        if self.length is not None and self.received != self.length:
            raise Incomplete(
                f"the body was cut off: {self.received} of {self.length} bytes arrived",
                received=self.received,
                declared=self.length,
            )

    async def read(self, limit: int) -> bytes:
        """The whole body, or ``TooLarge`` when it has more than ``limit`` bytes (or than the body's own limit)."""
        if self.limit is None or limit < self.limit:
            self.limit = limit
        blocks = []
        async for block in self:
            if self.hold is not None:
                self.hold(len(block))
                self.held += len(block)
            blocks.append(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)


async def nothing() -> bytes:
    """The ``pull`` of an empty body."""
    return b""


def body_of(*blocks: bytes) -> Body:
    """A body that is already in memory."""
    waiting = iter(blocks)

    async def pull() -> bytes:
        return next((block for block in waiting if block), b"")

    return Body(pull, sum(map(len, blocks)))


def too_large(limit: int) -> TooLarge:
    """The error for a request body of more than ``limit`` bytes."""
    return TooLarge(f"the request body is larger than the {limit} bytes allowed here", limit=limit)
