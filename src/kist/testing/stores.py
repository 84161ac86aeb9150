"""What every object store must do. Subclass ``StoreContract`` in your test file and give two fixtures:

``store``   the store under test
``bucket``  the name of a bucket that exists; it may hold other things and be shared by many tests

Each test works under keys of its own and erases them. No test needs an event loop, so ``driven`` can run them
without one. ``kist.testing.store_abilities`` holds the contracts of what only some stores can do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest

from kist.errors import (
    AlreadyThere,
    BadRange,
    BucketMissing,
    Corrupt,
    Incomplete,
    ObjectMissing,
    Stale,
    StoreUnavailable,
)
from kist.model.content import Condition, PutRules, Span
from kist.model.place import Place
from kist.ports.store import ObjectStore, TakesParts
from kist.testing.ground import (
    KIB,
    LARGE,
    MIB,
    TRICKY_NAMES,
    BodyCut,
    BodyFailed,
    Ground,
    absent_bucket,
    content,
    driven,
    failing,
    ground,
    in_blocks,
    read,
)
from kist.testing.store_listing import ListingContract

__all__ = ["StoreContract", "driven"]

SIZES = (0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1)


class StoreContract(ListingContract):
    """The duties of ``kist.ports.store.ObjectStore``."""

    @pytest.mark.parametrize("size", SIZES)
    async def test_bytes_come_back(self, store: ObjectStore, bucket: str, size: int) -> None:
        data = content(size)
        async with ground(store, bucket) as here:
            stored = await here.put("one", data)
            assert (stored.place, stored.size) == (here.place("one"), size)
            opened = await store.open(here.place("one"))
            assert (opened.stored.size, opened.stored.etag) == (size, stored.etag)
            assert await read(opened) == data

    async def test_a_body_without_declared_size(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            for name, data in (("none", b""), ("small", b"abc"), ("large", content(LARGE))):
                stored = await store.put(here.place(name), in_blocks(data), PutRules())
                assert stored.size == len(data)
                assert await here.get(name) == data

    async def test_blocks_of_any_size(self, store: ObjectStore, bucket: str) -> None:
        async def uneven() -> AsyncIterator[bytes]:
            for block in (b"", b"a", b"", content(70_001), b"b" * 3, content(LARGE, 5), b"", b"c"):
                yield block

        async with ground(store, bucket) as here:
            await store.put(here.place("uneven"), uneven(), PutRules())
            assert await here.get("uneven") == b"a" + content(70_001) + b"bbb" + content(LARGE, 5) + b"c"

    async def test_body_is_read_once_and_left_open(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            body = _Watched([b"abc", b"def", b"ghi"])
            with pytest.raises(Incomplete):
                await store.put(here.place("one"), body, PutRules(size=4))
            assert not body.closed
            body = _Watched([b"abc", b"def"])
            await store.put(here.place("one"), body, PutRules(size=6))
            assert (body.started, body.closed) == (1, False)

    async def test_blocks_read_are_never_empty(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            for data in (b"", b"a", content(LARGE)):
                await here.put("one", data)
                opened = await store.open(here.place("one"))
                blocks = [block async for block in opened.body]
                await opened.close()
                assert all(blocks)
                assert b"".join(blocks) == data

    @pytest.mark.parametrize("size", [5, 9 * MIB])
    async def test_only_new_leaves_what_is_there(self, store: ObjectStore, bucket: str, size: int) -> None:
        rules = PutRules(size=size, only_new=True)
        async with ground(store, bucket) as here:
            await store.put(here.place("one"), in_blocks(content(size)), rules)
            with pytest.raises(AlreadyThere):
                await store.put(here.place("one"), in_blocks(bytes(size)), rules)
            assert await read(await store.open(here.place("one"))) == content(size)

    async def test_put_replaces(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            seen = set()
            for data in (b"first content", b"other content", b"short", content(LARGE), b""):
                seen.add((await here.put("one", data)).etag)
                assert await here.get("one") == data
                assert (await store.head(here.place("one"))).size == len(data)
            assert len(seen) == 5, "every new content has a new etag"
            assert await here.names() == ["one"]

    async def test_all_questions_get_one_answer(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            stored = await here.put("one", b"some bytes", "text/plain; charset=utf-8")
            head = await store.head(here.place("one"))
            opened = await store.open(here.place("one"))
            await opened.close()
            (listed,) = await here.listed()
            for answer in (stored, head, opened.stored):
                assert (answer.place, answer.size, answer.etag) == (here.place("one"), 10, stored.etag)
                assert answer.type in (None, "text/plain; charset=utf-8")
            assert (listed.key, listed.size, listed.etag) == (here.place("one").key, 10, stored.etag)
            assert stored.etag
            assert '"' not in stored.etag
            for modified in (stored.modified, head.modified, opened.stored.modified, listed.modified):
                assert modified.utcoffset() is not None

    @pytest.mark.parametrize("sent", [0, 5, LARGE])
    @pytest.mark.parametrize("error", [BodyFailed("the sender left"), BodyCut("cancelled")], ids=["error", "cut"])
    async def test_failing_body(self, store: ObjectStore, bucket: str, sent: int, error: BaseException) -> None:
        async with ground(store, bucket) as here:
            await here.put("old", b"old bytes")
            for name in ("old", "new"):
                with pytest.raises((BodyFailed, BodyCut)) as caught:
                    await store.put(here.place(name), failing(content(sent), error), PutRules())
                assert caught.value is error
            await _as_before(here)

    @pytest.mark.parametrize(("declared", "came"), [(5, 4), (5, 0), (5, 6), (0, 1), (LARGE, LARGE - 1), (5, LARGE)])
    async def test_other_size_than_declared(self, store: ObjectStore, bucket: str, declared: int, came: int) -> None:
        async with ground(store, bucket) as here:
            await here.put("old", b"old bytes")
            for name in ("old", "new"):
                with pytest.raises(Incomplete):
                    await store.put(here.place(name), in_blocks(content(came)), PutRules(size=declared))
            await _as_before(here)

    @pytest.mark.parametrize("size", [10, LARGE])
    async def test_spans(self, store: ObjectStore, bucket: str, size: int) -> None:
        data = content(size)
        async with ground(store, bucket) as here:
            stored = await here.put("one", data)
            middle = size // 2
            for start, stop in (
                (0, 1),
                (size - 1, size),
                (middle - 2, middle + 3),
                (0, size),
                (3, size),
                (0, size - 1),
            ):
                opened = await store.open(here.place("one"), Span(start, stop))
                assert opened.span == Span(start, stop)
                assert (opened.stored.size, opened.stored.etag) == (size, stored.etag), "of the object, not the span"
                assert await read(opened) == data[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(0, 11), (9, 11), (10, 11), (100, 200)])
    async def test_span_beyond_the_end(self, store: ObjectStore, bucket: str, start: int, stop: int) -> None:
        async with ground(store, bucket) as here:
            await here.put("one", b"0123456789")
            with pytest.raises(BadRange) as caught:
                await store.open(here.place("one"), Span(start, stop))
            assert caught.value.about.get("size", 10) == 10

    async def test_span_of_nothing(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("none", b"")
            with pytest.raises(BadRange):
                await store.open(here.place("none"), Span(0, 1))

    async def test_condition(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            old = await here.put("one", b"first")
            condition = Condition(old.etag)
            assert await read(await store.open(here.place("one"), only_if=condition)) == b"first"
            assert await read(await store.open(here.place("one"), Span(1, 3), condition)) == b"ir"
            await here.put("one", b"other")
            for span in (None, Span(0, 1)):
                with pytest.raises(Stale):
                    await store.open(here.place("one"), span, condition)

    async def test_absent_object(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("folder/file", b"x")
            for name in ("none", "folder", "folder/none", "folder/file/none"):
                with pytest.raises(ObjectMissing):
                    await store.head(here.place(name))
                for span in (None, Span(0, 1)):
                    with pytest.raises(ObjectMissing):
                        await store.open(here.place(name), span)
                with pytest.raises(ObjectMissing):
                    await store.open(here.place(name), only_if=Condition("0" * 32))

    async def test_absent_bucket(self, store: ObjectStore, bucket: str) -> None:
        place = Place(absent_bucket(), "one")
        for data in (b"", b"x", content(LARGE)):
            with pytest.raises(BucketMissing):
                await store.put(place, in_blocks(data), PutRules())
        with pytest.raises(ObjectMissing):
            await store.head(place)
        with pytest.raises(ObjectMissing):
            await store.open(place)
        assert await store.heads(place) == (None,)
        with pytest.raises(BucketMissing):
            await anext(store.list(place.bucket))
        await store.erase(place)
        await store.clear(place)

    async def test_heads(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            for number in range(12):
                await here.put(f"{number}", b"x" * number)
            names = ["3", "none", "11", "0", "none/x", "3", *(str(number) for number in range(12))]
            heads = await store.heads(*map(here.place, names))
            assert [head and head.size for head in heads] == [3, None, 11, 0, None, 3, *range(12)]
            assert heads[0] == await store.head(here.place("3"))
            assert await store.heads() == ()

    async def test_erase(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            for name in ("a/b/c", "a/b/d", "keep", "z"):
                await here.put(name, b"x")
            await store.erase()
            await store.erase(here.place("none"), here.place("a/b"), here.place("a"), here.place("keep/none"))
            assert await here.names() == ["a/b/c", "a/b/d", "keep", "z"]
            for _ in range(2):
                await store.erase(here.place("a/b/c"), here.place("none"), here.place("z"))
                assert await here.names() == ["a/b/d", "keep"]
            with pytest.raises(ObjectMissing):
                await store.open(here.place("a/b/c"))

    async def test_erase_of_very_many(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            for name in ("0", "1000", "2000", "keep"):
                await here.put(name, b"x")
            await store.erase(*[here.place(str(number)) for number in range(2001)])
            assert await here.names() == ["keep"]

    async def test_clear_leaves_the_object(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("one", b"kept")
            await store.clear(here.place("one"))
            await store.clear(here.place("none"))
            assert await here.get("one") == b"kept"

    @pytest.mark.parametrize("name", TRICKY_NAMES)
    async def test_any_key(self, store: ObjectStore, bucket: str, name: str) -> None:
        async with ground(store, bucket) as here:
            await here.put(name, name.encode())
            assert await here.get(name) == name.encode()
            assert (await store.head(here.place(name))).place == here.place(name)
            assert await here.names() == await here.names(prefix=name) == [name]
            await store.erase(here.place(name))
            assert await here.names() == []

    async def test_longest_key(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            room = 1024 - len(here.prefix)
            name = "/".join(["é" * 50] * 10)[: room // 2]
            name = name + "x" * (room - len(name.encode()))
            await here.put(name, b"x")
            assert len(here.place(name).key.encode()) == 1024
            assert await here.names() == [name]

    @pytest.mark.parametrize("size", [10, LARGE])
    async def test_an_unfinished_put_is_not_seen(self, store: ObjectStore, bucket: str, size: int) -> None:
        async with ground(store, bucket) as here:
            await here.put("old", b"old bytes")

            async def looking() -> AsyncIterator[bytes]:
                yield content(size)
                assert await here.names() == ["old"]
                assert await store.heads(here.place("new")) == (None,)
                assert await here.get("old") == b"old bytes"
                yield b"the end"

            await store.put(here.place("new"), looking(), PutRules())
            assert await here.get("new") == content(size) + b"the end"

    @pytest.mark.parametrize("size", [10, LARGE])
    async def test_two_puts_to_one_place(self, store: ObjectStore, bucket: str, size: int) -> None:
        async with ground(store, bucket) as here:
            inner, outer = content(size, 1), content(size, 2)

            async def overtaken() -> AsyncIterator[bytes]:
                yield outer
                await here.put("one", inner)
                assert await here.get("one") == inner
                yield b"the end"

            await store.put(here.place("one"), overtaken(), PutRules())
            assert await here.get("one") == outer + b"the end", "the put that ended last stays"
            assert await here.names() == ["one"]

    @pytest.mark.parametrize("change", ["replace", "erase"])
    @pytest.mark.parametrize("size", [10, LARGE])
    async def test_a_reader_sees_one_version(self, store: ObjectStore, bucket: str, size: int, change: str) -> None:
        async with ground(store, bucket) as here:
            old, new = content(size, 1), content(size, 2)
            await here.put("one", old)
            opened = await store.open(here.place("one"))
            if change == "erase":
                await store.erase(here.place("one"))
            else:
                await here.put("one", new)
            with suppress(Corrupt, StoreUnavailable):  # a store may give up half-way, it may not mix
                assert await read(opened) in (old, new)
            if change == "replace":
                assert await here.get("one") == new

    async def test_closing(self, store: ObjectStore, bucket: str) -> None:
        data = content(LARGE)
        async with ground(store, bucket) as here:
            await here.put("one", data)
            for _ in range(40):  # more than any pool of connections
                unread = await store.open(here.place("one"))
                await unread.close()
                await unread.close()
                begun = await store.open(here.place("one"))
                assert data.startswith(await anext(begun.body))
                await begun.close()
                await begun.close()
            opened = await store.open(here.place("one"))
            assert await read(opened) == data
            await opened.close()


class _Watched:
    """A body that notes how it is used."""

    def __init__(self, blocks: Sequence[bytes]) -> None:
        self._blocks = iter(blocks)
        self.started = 0
        self.closed = False

    def __aiter__(self) -> _Watched:
        self.started += 1
        return self

    async def __anext__(self) -> bytes:
        for block in self._blocks:
            return block
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


async def _as_before(here: Ground) -> None:
    """Only ``old`` is there, with its old bytes, and nothing is left over."""
    assert await here.names() == ["old"]
    assert await here.get("old") == b"old bytes"
    with pytest.raises(ObjectMissing):
        await here.store.head(here.place("new"))
    if isinstance(here.store, TakesParts):
        assert [left async for left in here.store.open_parts(here.bucket, here.prefix)] == []
