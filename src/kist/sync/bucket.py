"""A part of a bucket as one side of a sync. What is Kist's own in the bucket is never seen, written or removed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from kist.errors import (
    AlreadyThere,
    BadName,
    BucketMissing,
    ObjectMissing,
    SourceMissing,
    Stale,
    StoreRefused,
    Unsupported,
)
from kist.model.content import Condition, Listed, Opened, PutRules, Span, Stored
from kist.model.place import TRASH, Place, check_key
from kist.ports.store import Copies, ObjectStore, TakesParts
from kist.ports.tree import Item, Trouble
from kist.sync.reserved import check_synced, is_reserved

BATCH = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BucketTree:
    """``Tree`` on the keys of a bucket that begin with ``prefix``, which is empty or ends with a slash.

    ``md5_etags``: an ETag of the store's says what the MD5 of the bytes is, or of the MD5s of their parts. ``root``:
    where the bucket is, on a server other than Kist's own store.
    """

    def __init__(
        self, store: ObjectStore, bucket: str, prefix: str = "", *, md5_etags: bool = False, root: str = ""
    ) -> None:
        self.store = store
        self.root = root
        self.md5_etags = md5_etags
        self.bucket = bucket
        self.prefix = prefix

    @property
    def name(self) -> str:
        inside = f"{self.bucket}/{self.prefix}".rstrip("/")
        return f"{self.root}/{inside}" if self.root else inside

    async def identity(self) -> str:
        """A bucket is itself as long as it is there."""
        try:
            async for _ in self.store.list(self.bucket, self.prefix):
                break
        except BucketMissing as error:
            raise SourceMissing(f"there is no bucket {self.bucket}") from error
        return self.name

    @property
    def remote(self) -> bool:
        """Whether each page of a listing is a request over a network."""
        return self.md5_etags

    async def items(self, after: str = "", until: str | None = None) -> AsyncGenerator[list[Item | Trouble], None]:
        """``Tree.items``, or those of them that are greater than ``after`` and not greater than ``until``."""
        batch: list[Item | Trouble] = []
        skipped = len(self.prefix)
        async with _closing(self.store.list(self.bucket, self.prefix, self.prefix + after if after else "")) as listing:
            async for listed in listing:
                key = listed.key[skipped:]
                if until is not None and key > until:
                    break
                if key and not is_reserved(listed.key) and not is_reserved(key):
                    batch.append(_item(key, listed))
                if key == until:
                    break  # and asks for no page behind it
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    async def item(self, key: str) -> Item | None:
        try:
            return item_of(key, await self.store.head(self.place(key)))
        except ObjectMissing:
            return None

    async def prints(self, items: Sequence[Item], settled: int) -> list[str]:
        """A store gives another etag to other bytes."""
        return [item.etag for item in items]

    async def open(self, item: Item, span: Span | None = None) -> ObjectReading:
        try:
            return ObjectReading(await self.store.open(self.place(item.key), span, Condition(item.etag)))
        except Stale as error:
            raise Stale(f"{item.key} has changed since it was listed") from error

    async def keep(self, key: str, aside: str) -> bool:
        return await self._copied(self.place(key), Place(self.bucket, aside)) is not None

    async def kept(self, aside: str) -> Item | None:
        try:
            return item_of(aside, await self.store.head(Place(self.bucket, aside)))
        except ObjectMissing:
            return None

    async def restore(self, aside: str, key: str) -> Item | None:
        stored = await self._copied(Place(self.bucket, aside), self.place(key))
        return None if stored is None else item_of(key, stored)

    async def remove(self, *keys: str) -> None:
        await self.store.erase(*map(self.place, keys))

    async def tidy(self, before: float, ours: Callable[[str], Awaitable[bool]]) -> None:
        """Erase what was put aside ``before``, on another server: chores look after Kist's own.

        ``ours``: whether an ended job of this Kist has put that aside; others may have a trash there too. Keys that
        may erase nothing leave it there.
        """
        if not self.root:
            return
        old: list[Place] = []
        async for listed in self.store.list(self.bucket, TRASH):
            if listed.modified.timestamp() < before and await ours(listed.key):
                old.append(Place(self.bucket, listed.key))
        with suppress(StoreRefused):
            for start in range(0, len(old), BATCH):
                await self.store.erase(*old[start : start + BATCH])

    async def write(
        self, key: str, body: AsyncIterator[bytes], *, size: int, modified: int, only_new: bool = False
    ) -> Item:
        """Put an object whole, or nothing. The store keeps its own time; the manifest remembers the source's.

        ``AlreadyThere`` where ``only_new`` and there is one.
        """
        stored = await self.store.put(self.place(key), body, PutRules(size=size, only_new=only_new))
        return item_of(key, stored)

    async def check_absent(self, key: str) -> None:
        """``AlreadyThere`` when there is an object, for what a store cannot be told to do only then."""
        if await self.item(key) is not None:
            raise AlreadyThere("there is an object already")

    async def copy(self, source: Place, key: str) -> Item:
        """Make the object at ``key`` a copy within the store, of the same type. ``ObjectMissing``."""
        stored = await self._copied(source, self.place(key))
        if stored is None:
            raise ObjectMissing(f"{key} is no longer there")
        return item_of(key, stored)

    @property
    def copies(self) -> Copies:
        if not isinstance(self.store, Copies):
            raise Unsupported("this store cannot copy within itself, so nothing can be put aside")
        return self.store

    @property
    def takes_parts(self) -> TakesParts | None:
        return self.store if isinstance(self.store, TakesParts) else None

    def place(self, key: str) -> Place:
        """Where ``key`` is. ``BadName`` for one that no store can hold, and for what is Kist's own."""
        check_synced(key)
        check_synced(self.prefix + key)
        return Place(self.bucket, self.prefix + key)

    async def _copied(self, source: Place, target: Place) -> Stored | None:
        try:
            kept = await self.store.head(source)
            return await self.copies.copy(source, target, PutRules(type=kept.type or PutRules().type))
        except ObjectMissing:
            return None


@asynccontextmanager
async def _closing(listing: AsyncIterator[Listed]) -> AsyncIterator[AsyncIterator[Listed]]:
    """Give up a listing that is not read to its end, where it holds anything."""
    try:
        yield listing
    finally:
        if isinstance(listing, AsyncGenerator):
            await listing.aclose()


class ObjectReading:
    """``Reading`` of an object, which the store gives as it was when it was opened."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def blocks(self) -> AsyncIterator[bytes]:
        return self._opened.body

    async def close(self) -> None:
        await self._opened.close()


def item_of(key: str, stored: Stored) -> Item:
    """A stored object as a tree shows it."""
    return Item(key, stored.size, nanoseconds(stored.modified), stored.etag)


def _item(key: str, listed: Listed) -> Item | Trouble:
    try:
        check_key(listed.key)
    except BadName:
        return Trouble(key, "its key is no path that a file could have", hides=False)
    return Item(key, listed.size, nanoseconds(listed.modified), listed.etag)


def nanoseconds(moment: datetime) -> int:
    """Since the epoch, exactly: a float would round."""
    since = moment - _EPOCH
    return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
