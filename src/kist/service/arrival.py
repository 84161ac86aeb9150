"""Bytes on their way in: counted, hashed and looked at while they pass."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from kist.errors import BadChecksum, Corrupt, Incomplete, TooLarge
from kist.model.content import Stored

HEAD_SIZE = 4096
"""How many of the first bytes are kept for detecting the type."""


class Arrival:
    """What is known of a body so far. ``limit``: bytes allowed; ``expected``: bytes declared, None if unknown."""

    def __init__(self, limit: int, expected: int | None) -> None:
        self.size = 0
        self.head = b""
        self._digest = hashlib.sha256()
        self._limit = limit
        self._expected = expected

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in lower-case hex."""
        return self._digest.hexdigest()

    def take(self, block: bytes) -> None:
        """Count and hash one block. ``TooLarge`` beyond the limit, ``Incomplete`` beyond what was declared."""
        self.size += len(block)
        if self.size > self._limit:
            raise TooLarge(f"the file is larger than the {self._limit} bytes allowed here", limit=self._limit)
        if self._expected is not None and self.size > self._expected:
            raise Incomplete(f"more bytes came than the {self._expected} declared", declared=self._expected)
        self._digest.update(block)
        if len(self.head) < HEAD_SIZE:
            self.head += bytes(block[: HEAD_SIZE - len(self.head)])

    def check(self, stored: Stored, sha256: str | None) -> None:
        """Judge the whole: what arrived against what was declared and against what the store says that it has.

        ``Incomplete``, ``BadChecksum``, ``Corrupt``.
        """
        if self._expected is not None and self.size != self._expected:
            raise Incomplete(
                f"{self.size} bytes came, {self._expected} were declared", declared=self._expected, received=self.size
            )
        if sha256 is not None and sha256 != self.sha256:
            raise BadChecksum("the bytes do not have the declared sha256: send them again", received=self.sha256)
        if stored.size != self.size:
            raise Corrupt(f"the store holds {stored.size} bytes of the {self.size} it was given")


async def watched(body: AsyncIterable[bytes], arrival: Arrival) -> AsyncIterator[bytes]:
    """Pass ``body`` on, block by block, with ``arrival`` taking note of each."""
    async for block in body:
        arrival.take(block)
        yield block
