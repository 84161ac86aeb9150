"""Where the contract suites of stores stand: bodies, and keys of their own that are tidied up afterwards."""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from kist.drive import drive
from kist.model.content import Listed, Opened, PutRules, Stored
from kist.model.place import Place
from kist.ports.store import ObjectStore

KIB = 1024
MIB = 1024 * KIB
LARGE = 9 * MIB
"""More than one block of any store."""
TRICKY_NAMES = (
    " lead", "!", '"quoted"', "%41", "%2F", "&amp;", "'", "(1)", "+", "a b", "a+b", "a-b", "a.b", "a/b", "a~b",
    "A", "aé", "é", "e\u0301", "=", "?x=1", "#f", "@", "*", ",", ":", ";", "<x>", "[1]", "^", "`", "{y}", "|",
    "日本語", "\ufffd", "😀", "trail ", "...", "..a", ".hidden", "-", "_",
)  # fmt: skip

Contract = TypeVar("Contract", bound=type)


def driven(contract: Contract) -> Contract:
    """Let the async tests of a contract's subclass run by ``drive``: without an event loop, in this thread."""
    for name, test in inspect.getmembers(contract, inspect.iscoroutinefunction):
        if name.startswith("test_"):
            setattr(contract, name, _without_loop(test))
    return contract


def content(size: int, seed: int = 0) -> bytes:
    """``size`` bytes in which every block differs from its neighbours."""
    line = b"".join(b"%08d" % (number * 7919 + seed) for number in range(min(size // 8 + 1, 40_009)))
    return (line * (size // len(line) + 1))[:size]


async def in_blocks(data: bytes, size: int = 256 * KIB) -> AsyncIterator[bytes]:
    """``data`` as a body."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(opened: Opened) -> bytes:
    """The whole body, then closed."""
    try:
        return b"".join([block async for block in opened.body])
    finally:
        await opened.close()


class Ground:
    """A prefix of its own in the bucket."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self.store = store
        self.bucket = bucket
        self.prefix = f"contract-{secrets.token_hex(8)}/"

    def place(self, name: str) -> Place:
        return Place(self.bucket, self.prefix + name)

    async def put(self, name: str, data: bytes, type: str = "application/octet-stream") -> Stored:
        return await self.store.put(self.place(name), in_blocks(data), PutRules(type=type, size=len(data)))

    async def get(self, name: str) -> bytes:
        return await read(await self.store.open(self.place(name)))

    async def listed(self, prefix: str = "", after: str = "") -> list[Listed]:
        found = self.store.list(self.bucket, self.prefix + prefix, after and self.prefix + after)
        return [entry async for entry in found]

    async def names(self, prefix: str = "", after: str = "") -> list[str]:
        return [entry.key.removeprefix(self.prefix) for entry in await self.listed(prefix, after)]


@asynccontextmanager
async def ground(store: ObjectStore, bucket: str) -> AsyncIterator[Ground]:
    """Somewhere to test, tidied up afterwards."""
    here = Ground(store, bucket)
    try:
        yield here
    finally:
        await store.erase(*[Place(bucket, entry.key) for entry in await here.listed()])


class BodyFailed(Exception):
    """Raised by a body half-way, as a sender that leaves does."""


class BodyCut(BaseException):
    """As ``BodyFailed``, but of the kind that cancellation is."""


async def failing(data: bytes, error: BaseException) -> AsyncIterator[bytes]:
    """A body that breaks off with ``error`` after ``data``."""
    async for block in in_blocks(data):
        yield block
    raise error


def absent_bucket() -> str:
    """The name of a bucket that nobody has made."""
    return f"kist-absent-{secrets.token_hex(6)}"


def _without_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        drive(test(*args, **kwargs))

    return run
