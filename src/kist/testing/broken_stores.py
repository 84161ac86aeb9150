"""Stores that break one promise each. A contract suite that lets one of them pass is worth nothing.

``BROKEN`` names the tests of the suite that must catch each.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from kist.errors import Incomplete, ObjectMissing
from kist.model.content import Condition, Listed, Opened, PartRef, PutRules, Span, Stored
from kist.model.place import Place
from kist.ports.system import Clock, Ids
from kist.stores.memory import MemoryStore


class LosesTheLastByte(MemoryStore):
    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        data = b"".join([block async for block in body])
        if rules.size not in (None, len(data)):
            raise Incomplete("another size")
        return await super().put(place, _one(data[:-1]), PutRules(type=rules.type))


class IgnoresTheEndOfASpan(MemoryStore):
    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        stored = await self.head(place)
        if span is None or span.stop > stored.size:
            return await super().open(place, span, only_if)
        opened = await super().open(place, Span(span.start, stored.size), only_if)
        return Opened(opened.stored, span, opened.body, opened.close)


class CutsASpanThatIsTooLong(MemoryStore):
    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        size = (await self.head(place)).size
        if span is not None and span.start < size < span.stop:
            span = Span(span.start, size)
        return await super().open(place, span, only_if)


class IgnoresConditions(MemoryStore):
    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        return await super().open(place, span)


class ListsByFolder(MemoryStore):
    """As a folder walk that sorts names: ``a/b`` before ``a-b``."""

    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        for entry in sorted(
            [entry async for entry in super().list(bucket, prefix, after)], key=lambda entry: entry.key.split("/")
        ):
            yield entry


class ListsOnePage(MemoryStore):
    """Stops silently after 1000 entries."""

    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        count = 0
        async for entry in super().list(bucket, prefix, after):
            count += 1
            if count > 1000:
                return
            yield entry


class ListsFromAfterOn(MemoryStore):
    """Takes ``after`` for the first key to show."""

    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        async for entry in super().list(bucket, prefix):
            if entry.key >= after:
                yield entry


class ListsNoBucketAsEmpty(MemoryStore):
    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        if bucket in [known.name for known in await self.buckets()]:
            async for entry in super().list(bucket, prefix, after):
                yield entry


class KeepsHalfABody(MemoryStore):
    """Leaves what had come when the body broke off."""

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        data = b""
        try:
            async for block in body:
                data += block
        except BaseException:
            await super().put(place, _one(data), PutRules())
            raise
        return await super().put(place, _one(data), rules)


class HidesTheBodysError(MemoryStore):
    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        try:
            return await super().put(place, body, rules)
        except Exception as error:
            raise Incomplete("the body broke off") from error


class ShowsWhatIsComingIn(MemoryStore):
    """Replaces the object block by block."""

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        data = b""
        before = await self.heads(place)
        async for block in body:
            data += block
            await super().put(place, _one(data), PutRules())
        if rules.size not in (None, len(data)) and before == (None,):
            await self.erase(place)
        return await super().put(place, _one(data), rules)


class BelievesTheDeclaredSize(MemoryStore):
    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        return await super().put(place, body, PutRules(type=rules.type))


class SaysYesAndKeepsTheOld(MemoryStore):
    """Answers a replacement with success and does not make it."""

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        (before,) = await self.heads(place)
        if before is None:
            return await super().put(place, body, rules)
        spare = Place(place.bucket, ".kist/spare")
        stored = await super().put(spare, body, rules)
        await self.erase(spare)
        return Stored(place=place, size=stored.size, etag=stored.etag, modified=stored.modified, type=stored.type)


class ReplacesEvenSo(MemoryStore):
    """Takes no notice of ``only_new``."""

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        return await super().put(place, body, PutRules(type=rules.type, size=rules.size))


class MakesBuckets(MemoryStore):
    """A put makes the bucket that it misses."""

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        if place.bucket not in [known.name for known in await self.buckets()]:
            await self.make_bucket(place.bucket)
        return await super().put(place, body, rules)


class HeadsTheAbsent(MemoryStore):
    async def head(self, place: Place) -> Stored:
        try:
            return await super().head(place)
        except ObjectMissing:
            return Stored(place=place, size=0, etag="0", modified=self._clock.now())


class DropsTheAbsentFromHeads(MemoryStore):
    async def heads(self, *places: Place) -> tuple[Stored | None, ...]:
        return tuple(head for head in await super().heads(*places) if head is not None)


class ErasesOnlyWhatIsThere(MemoryStore):
    async def erase(self, *places: Place) -> None:
        for place in places:
            await self.head(place)
        await super().erase(*places)


class ErasesByPrefix(MemoryStore):
    async def erase(self, *places: Place) -> None:
        for place in places:
            if place.bucket in [known.name for known in await self.buckets()]:
                keys = [entry.key async for entry in self.list(place.bucket, place.key)]
                await super().erase(*[Place(place.bucket, key) for key in keys])


class ClearsTheObjectToo(MemoryStore):
    async def clear(self, place: Place) -> None:
        await self.erase(place)


class TagsByKey(MemoryStore):
    """The etag stays when the content changes."""

    def _keep(self, place: Place, data: bytes, type: str, etag: str = "", *, only_new: bool = False) -> Stored:
        return super()._keep(place, data, type, etag or f"{len(place.key)}", only_new=only_new)


class DecodesKeys(MemoryStore):
    """Takes ``%41`` and ``+`` for what they mean in a URL."""

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        return await super().put(Place(place.bucket, place.key.replace("+", " ").replace("%41", "A")), body, rules)


class ForcesDrops(MemoryStore):
    async def drop_bucket(self, name: str) -> None:
        await self.erase(*[Place(name, entry.key) async for entry in self.list(name)])
        await super().drop_bucket(name)


class ForgetsABucketMadeAgain(MemoryStore):
    async def make_bucket(self, name: str) -> None:
        self._buckets.pop(name, None)
        await super().make_bucket(name)


class MovesInsteadOfCopying(MemoryStore):
    async def copy(self, source: Place, target: Place, rules: PutRules) -> Stored:
        stored = await super().copy(source, target, rules)
        await self.erase(source)
        return stored


class JoinsAllParts(MemoryStore):
    """Joins what has arrived instead of what was named."""

    async def finish_parts(self, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
        return await super().finish_parts(place, parts_id, [part async for part in self.parts(place, parts_id)])


class SealsTheNameOnly(MemoryStore):
    """What is sealed shows whatever its source holds, as a link by name would."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        super().__init__(clock, ids)
        self._sources: dict[Place, Place] = {}

    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        self._sources[target] = source
        return await super().seal(source, target, rules)

    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        return await super().open(self._sources.get(place, place), span, only_if)


class SealsByMoving(MemoryStore):
    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        stored = await super().seal(source, target, rules)
        await self.erase(source)
        return stored


class SealsOnlyOnce(MemoryStore):
    """Leaves an object that is there already, and says that it was replaced."""

    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        (before,) = await self.heads(target)
        return before or await super().seal(source, target, rules)


BROKEN: dict[type[MemoryStore], str] = {
    LosesTheLastByte: "test_bytes_come_back",
    IgnoresTheEndOfASpan: "test_spans",
    CutsASpanThatIsTooLong: "test_span_beyond_the_end",
    IgnoresConditions: "test_condition",
    ListsByFolder: "test_list_in_byte_order",
    ListsOnePage: "test_a_long_list_is_whole",
    ListsFromAfterOn: "test_list_by_prefix_and_after",
    ListsNoBucketAsEmpty: "test_absent_bucket",
    KeepsHalfABody: "test_failing_body",
    HidesTheBodysError: "test_failing_body",
    ShowsWhatIsComingIn: "test_an_unfinished_put_is_not_seen",
    BelievesTheDeclaredSize: "test_other_size_than_declared",
    SaysYesAndKeepsTheOld: "test_put_replaces",
    ReplacesEvenSo: "test_only_new_leaves_what_is_there",
    MakesBuckets: "test_absent_bucket",
    HeadsTheAbsent: "test_absent_object",
    DropsTheAbsentFromHeads: "test_heads",
    ErasesOnlyWhatIsThere: "test_erase",
    ErasesByPrefix: "test_erase",
    ClearsTheObjectToo: "test_clear_leaves_the_object",
    TagsByKey: "test_put_replaces",
    DecodesKeys: "test_any_key",
    ForcesDrops: "test_a_bucket_with_objects_stays",
    ForgetsABucketMadeAgain: "test_made_twice",
    MovesInsteadOfCopying: "test_copy",
    SealsTheNameOnly: "test_a_later_put_leaves_what_is_sealed",
    SealsByMoving: "test_seal",
    SealsOnlyOnce: "test_seal_replaces",
    JoinsAllParts: "test_only_the_named_parts_are_joined",
}


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
