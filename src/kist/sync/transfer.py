"""Carry one file from one side to the other: whole where it is small, in parts at a time where it is large."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from kist.errors import Corrupt, Incomplete, KistError, Stale, Stopped, UploadMissing
from kist.model.content import PartRef, PutRules, Span
from kist.model.signatures import MAX_PARTS
from kist.ports.tree import Item, Tree
from kist.sync.bucket import BucketTree, item_of
from kist.sync.folder import FolderTree
from kist.sync.local import BLOCK, SMALL, Draft
from kist.sync.pace import Pace
from kist.sync.proof import Proof, Wanted, damaged, joined, proven
from kist.sync.together import together

LARGE = 64 << 20
"""From this size on a file is carried in parts."""
PART = 16 << 20
PARTS_AT_ONCE = 4
READ_TOGETHER = 32
"""Small files of a folder are read a few at once: a turn in a thread costs more than what it reads."""

Remember = Callable[[str], Awaitable[None]]
Read = bytes | KistError | None
"""What was read ahead: bytes, or why they could not be read; None where nothing was."""


@dataclass
class Carrier:
    """Carries files from ``source`` to ``dest``. ``passed`` is told of bytes; ``stopping`` ends large ones early."""

    source: Tree
    dest: FolderTree | BucketTree
    pace: Pace
    passed: Callable[[int], None]
    stopping: Callable[[], bool]

    def __post_init__(self) -> None:
        self._proof = Proof(self.source)

    async def read_ahead(self, items: Sequence[Item]) -> dict[str, Read]:
        """The bytes of those items that are best read a few at once, or what went wrong with them, by key."""
        source = self.source
        small = [item for item in items if item.size <= SMALL]
        if not small or not isinstance(source, FolderTree):
            return {}
        return dict(zip((item.key for item in small), await source.read_small(small), strict=True))

    async def carry(self, item: Item, read: Read, *, only_new: bool, parts_id: str | None, remember: Remember) -> Item:
        """Make the destination's file what ``item`` is, and return it as it is there then.

        ``read``: its bytes, where they were read ahead. ``only_new``: ``AlreadyThere`` when there is one that the plan
        did not see. ``parts_id``: of a multipart upload that an earlier try began; a new one is told to ``remember``
        before its first part. ``Stale`` when the source changes meanwhile, ``Stopped`` in the middle of a large file.
        """
        source, dest = self.source, self.dest
        if isinstance(source, BucketTree) and isinstance(dest, BucketTree) and source.store is dest.store:
            if only_new:
                await dest.check_absent(item.key)
            copied = await dest.copy(source.place(item.key), item.key)
            self.passed(item.size)
            return copied
        if read is not None:
            return await self._small(item, read, only_new)
        if item.size < LARGE:
            return await self._whole(item, only_new)
        if isinstance(self.dest, FolderTree):
            return await self._gathered(item, self.dest, only_new)
        if self.dest.takes_parts is None:
            return await self._whole(item, only_new)
        if only_new:
            await self.dest.check_absent(item.key)
        return await self._in_parts(item, self.dest, only_new, parts_id, remember)

    async def _small(self, item: Item, read: bytes | KistError, only_new: bool) -> Item:
        if isinstance(read, KistError):
            raise read
        body = self._counted(_alone(read))
        return await self.dest.write(item.key, body, size=item.size, modified=item.modified, only_new=only_new)

    async def _whole(self, item: Item, only_new: bool) -> Item:
        named = self._proof.named(item)
        if named is None:
            return await self._once(item, only_new, None)
        wanted = Wanted(named)
        try:
            return await self._once(item, only_new, wanted)
        except Corrupt:
            first, wanted = wanted.came, Wanted(named, wanted.came)
            found = await self._once(item, only_new, wanted)
            if wanted.came == first:
                self._proof.same_again()
            return found

    async def _once(self, item: Item, only_new: bool, wanted: Wanted | None) -> Item:
        reading = await self.source.open(item)
        try:
            body = self._counted(reading.blocks())
            if wanted is not None:
                body = proven(item, body, wanted)
            return await self.dest.write(item.key, body, size=item.size, modified=item.modified, only_new=only_new)
        except Incomplete as error:
            raise Stale(f"{item.key} has changed while it was read") from error
        finally:
            await reading.close()

    async def _counted(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for block in blocks:
            await self.pace.pass_bytes(len(block))
            self.passed(len(block))
            yield block

    async def _gathered(self, item: Item, dest: FolderTree, only_new: bool) -> Item:
        """Download: several ranges at a time into one file, in those in which it was sent where its ETag tells."""
        draft = dest.draft(item.size)
        part = _part_size(item.size, self._proof.parts(item))
        spans = _spans(item.size, part or PART)
        digests = [b""] * len(spans)

        async def fetch(number: int, span: Span) -> None:
            digests[number - 1] = await self._fetch(item, draft, span, dest)

        try:
            await dest.begin(draft)
            await self._each(spans, fetch)
            named = self._proof.named(item)
            fits = part is None or joined(digests) == item.etag
            if not fits or (named is not None and await dest.digest(draft) != named):
                await self._prove(item, draft, dest)
            return await dest.publish(draft, item.key, item.modified, only_new=only_new)
        finally:
            await dest.drop(draft)

    async def _prove(self, item: Item, draft: Draft, dest: FolderTree) -> None:
        """See whether bytes that do not fit come out the same again. ``Corrupt``."""
        if await digest_of(self.source, item) != await dest.digest(draft):
            raise damaged(item)
        self._proof.same_again()

    async def _fetch(self, item: Item, draft: Draft, span: Span, dest: FolderTree) -> bytes:
        """Fetch a span into its place; its MD5."""
        digest = hashlib.md5(usedforsecurity=False)
        reading = await self.source.open(item, span)
        at = span.start
        try:
            async for block in _gathered(self._counted(reading.blocks())):
                await dest.write_block(draft, block, at, digest if self._proof.asked else None)
                at += len(block)
        finally:
            await reading.close()
        if at != span.stop:
            raise Stale(f"{item.key} has changed while it was read")
        return digest.digest()

    async def _in_parts(
        self, item: Item, dest: BucketTree, only_new: bool, parts_id: str | None, remember: Remember
    ) -> Item:
        """Upload: several parts at a time. What an earlier try has brought is not sent again."""
        store, place = dest.takes_parts, dest.place(item.key)
        assert store is not None
        there: dict[int, PartRef] = {}
        if parts_id is not None:
            try:
                there = {part.number: part async for part in store.parts(place, parts_id)}
            except UploadMissing:
                parts_id = None
        if parts_id is None:
            parts_id = await store.start_parts(place, PutRules(size=item.size))
            await remember(parts_id)
        spans = _spans(item.size, max(PART, -(-item.size // MAX_PARTS)))

        async def send(number: int, span: Span) -> None:
            kept = there.get(number)
            if kept is not None and kept.size == span.length:
                self.passed(span.length)
                return
            there[number] = await store.put_part(place, parts_id, number, await self._read(item, span))

        await self._each(spans, send)
        if only_new:
            await dest.check_absent(item.key)  # again: much time has passed
        stored = await store.finish_parts(place, parts_id, [there[number] for number in range(1, len(spans) + 1)])
        return item_of(item.key, stored)

    async def _read(self, item: Item, span: Span) -> bytes:
        reading = await self.source.open(item, span)
        try:
            return b"".join([block async for block in self._counted(reading.blocks())])
        finally:
            await reading.close()

    async def _each(self, spans: list[Span], work: Callable[[int, Span], Awaitable[None]]) -> None:
        """Work on a few spans at a time; ``Stopped`` before the next one once the job is to stop."""
        waiting = iter(enumerate(spans, 1))

        async def worker() -> None:
            for number, span in waiting:
                if self.stopping():
                    raise Stopped("the job was cancelled")
                await work(number, span)

        async with together() as start:
            for _ in range(min(PARTS_AT_ONCE, len(spans))):
                start(worker())


async def _alone(block: bytes) -> AsyncIterator[bytes]:
    if block:
        yield block


async def _gathered(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger blocks: each takes a turn in a thread."""
    few: list[bytes] = []
    size = 0
    async for block in blocks:
        few.append(block)
        size += len(block)
        if size >= BLOCK:
            yield b"".join(few)
            few, size = [], 0
    if few:
        yield b"".join(few)


def _spans(size: int, part: int) -> list[Span]:
    return [Span(start, min(start + part, size)) for start in range(0, size, part)]


async def digest_of(tree: Tree, item: Item) -> str:
    """The MD5 of an item's bytes in hex, which is its ETag where it was put in one piece."""
    return (await _digests(tree, item, 0))[0]


async def same_bytes(source: Tree, dest: Tree, one: Item, other: Item) -> bool:
    """Whether two items of the same size have the same bytes. Where an ETag says yes, only the other side is read."""
    for tree, item, etagged, named in ((source, one, dest, other), (dest, other, source, one)):
        proof = Proof(etagged)
        part = _part_size(item.size, proof.parts(named))
        # An ETag that differs proves nothing: the size of the parts is guessed, and some stores name no MD5.
        if (proof.named(named) or part) and named.etag in await _digests(tree, item, part or 0):
            return True
    return await digest_of(source, one) == await digest_of(dest, other)


def _part_size(size: int, parts: int) -> int | None:
    """In which parts an object of ``size`` was sent that has so many: the usual sizes, in whole mebibytes."""
    if not parts:
        return None
    for mebibytes in (8, 16, 5, 10, 15, 20, 25, 32, 50, 64, 100, 128, 256, 512):
        if -(-size // (mebibytes << 20)) == parts:
            return mebibytes << 20
    return None


async def _digests(tree: Tree, item: Item, part: int) -> tuple[str, str]:
    """The MD5 of the bytes, and the ETag that they have as parts of ``part`` bytes (empty for 0)."""
    whole, joined, count = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False), 0
    current, room = hashlib.md5(usedforsecurity=False), part
    reading = await tree.open(item)
    try:
        async for block in reading.blocks():
            whole.update(block)
            while part and block:
                current.update(block[:room])
                room, block = room - len(block[:room]), block[room:]
                if room == 0:
                    joined.update(current.digest())
                    current, room, count = hashlib.md5(usedforsecurity=False), part, count + 1
    finally:
        await reading.close()
    if part and room != part:
        joined.update(current.digest())
        count += 1
    return whole.hexdigest(), f"{joined.hexdigest()}-{count}" if part else ""
