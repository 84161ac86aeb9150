"""One side of a sync: a folder or a part of a bucket, seen as keys in the order of their bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from kist.model.content import Span


class Item(NamedTuple):
    """What lies at a key. ``modified`` in nanoseconds; ``etag`` changes when the content may have changed."""

    key: str
    size: int
    modified: int
    etag: str


class Trouble(NamedTuple):
    """What could not be looked at, or is not carried. ``hides``: whether files may be beneath it that are not seen.

    ``link``: a link, which is not followed: what it stands for may have been a folder here.
    """

    key: str
    reason: str
    hides: bool
    link: bool = False


class Reading(Protocol):
    """The bytes of an item, open. ``blocks`` may be iterated once; always await ``close``."""

    def blocks(self) -> AsyncIterator[bytes]:
        """The bytes. Raises ``Stale`` when the item is no longer the one that was listed."""

    async def close(self) -> None:
        """Free what is held."""


class Tree(Protocol):
    @property
    def name(self) -> str:
        """What this side is called in jobs and in manifests; equal for equal places."""

    async def identity(self) -> str:
        """What tells this folder or bucket from another one at the same address. ``SourceMissing`` when it is gone."""

    def items(self) -> AsyncIterator[list[Item | Trouble]]:
        """All there is, in batches, by key in the order of UTF-8 bytes. Kist's own (``.kist/``) is left out.

        What cannot be listed to its end raises; a part that cannot be looked into is a ``Trouble`` that hides.
        """

    async def item(self, key: str) -> Item | None:
        """What lies at ``key`` right now."""

    async def prints(self, items: Sequence[Item], settled: int) -> list[str]:
        """What tells the bytes of each item from what they were at any other time, more surely than its etag.

        Empty where it cannot be told: the item is no longer that one, or was changed after ``settled`` (nanoseconds
        since the epoch) and might be once more without a trace.
        """

    async def open(self, item: Item, span: Span | None = None) -> Reading:
        """Open an item, or a span of it. ``ObjectMissing``, ``Stale``."""

    async def keep(self, key: str, aside: str) -> bool:
        """Copy what lies at ``key`` to ``aside``, a key below ``.kist/trash/``. Whether anything was there."""

    async def kept(self, aside: str) -> Item | None:
        """What ``keep`` has put aside there."""

    async def remove(self, *keys: str) -> None:
        """Remove what lies there; absent is fine."""

    async def restore(self, aside: str, key: str) -> Item | None:
        """Bring back to ``key`` what ``keep`` has put aside; None when there is nothing."""
