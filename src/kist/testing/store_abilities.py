"""Contracts of what only some stores can do: buckets, copies, parts, CORS, signing.

Give the same fixtures as for ``StoreContract``. Stores with buckets are asked to make and drop buckets of their own.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol

import pytest

from kist.errors import (
    AlreadyThere,
    BadName,
    BucketMissing,
    BucketNotEmpty,
    Incomplete,
    Invalid,
    ObjectMissing,
    UploadMissing,
)
from kist.model.content import CorsRule, FormLimits, PartRef, PutRules
from kist.model.place import Place
from kist.ports.store import Copies, HoldsBuckets, ObjectStore, SetsCors, Signs, TakesParts
from kist.testing.ground import LARGE, MIB, Ground, absent_bucket, content, ground, in_blocks


class BucketStore(ObjectStore, HoldsBuckets, Protocol):
    """A store that holds buckets."""


class CopyStore(ObjectStore, Copies, Protocol):
    """A store that copies."""


class PartsStore(ObjectStore, TakesParts, Protocol):
    """A store that takes parts."""


@asynccontextmanager
async def _new_bucket(store: BucketStore) -> AsyncIterator[str]:
    name = f"kist-contract-{secrets.token_hex(6)}"
    await store.make_bucket(name)
    try:
        yield name
    finally:
        with suppress(BucketMissing):
            await store.erase(*[Place(name, entry.key) async for entry in store.list(name)])
            await store.drop_bucket(name)


class BucketsContract:
    """The duties of ``HoldsBuckets``."""

    async def test_a_new_bucket_is_listed_and_takes_objects(self, store: BucketStore) -> None:
        async with _new_bucket(store) as name:
            buckets = await store.buckets()
            names = [bucket.name for bucket in buckets]
            assert names == sorted(names)
            assert names.count(name) == 1
            assert all(bucket.created.utcoffset() is not None for bucket in buckets)
            assert [entry async for entry in store.list(name)] == []
            await store.put(Place(name, "a/b"), in_blocks(b"x"), PutRules())
            assert [entry.key async for entry in store.list(name)] == ["a/b"]

    async def test_made_twice(self, store: BucketStore) -> None:
        async with _new_bucket(store) as name:
            await store.put(Place(name, "one"), in_blocks(b"x"), PutRules())
            with pytest.raises(AlreadyThere):
                await store.make_bucket(name)
            assert (await store.head(Place(name, "one"))).size == 1

    @pytest.mark.parametrize("name", ["", "ab", "Upper", "a/b", "..", "under_score", "-dash", "dash-", "x" * 64])
    async def test_illegal_name(self, store: BucketStore, name: str) -> None:
        with pytest.raises(BadName):
            await store.make_bucket(name)

    @pytest.mark.parametrize("key", ["one", "a/b/c", ".kist/objects/one", ".kist/in/one"])
    async def test_a_bucket_with_objects_stays(self, store: BucketStore, key: str) -> None:
        async with _new_bucket(store) as name:
            await store.put(Place(name, key), in_blocks(b"kept"), PutRules())
            with pytest.raises(BucketNotEmpty):
                await store.drop_bucket(name)
            assert (await store.head(Place(name, key))).size == 4
            await store.erase(Place(name, key))
            await store.drop_bucket(name)
            assert name not in [bucket.name for bucket in await store.buckets()]

    async def test_dropped_is_absent(self, store: BucketStore) -> None:
        async with _new_bucket(store) as name:
            await store.drop_bucket(name)
            with pytest.raises(BucketMissing):
                await store.drop_bucket(name)
            with pytest.raises(BucketMissing):
                await store.put(Place(name, "one"), in_blocks(b"x"), PutRules())
            with pytest.raises(BucketMissing):
                await anext(store.list(name))
            await store.make_bucket(name)
            assert [entry async for entry in store.list(name)] == []

    async def test_drop_of_an_unknown_bucket(self, store: BucketStore) -> None:
        with pytest.raises(BucketMissing):
            await store.drop_bucket(absent_bucket())


class CopiesContract:
    """The duties of ``Copies``."""

    @pytest.mark.parametrize("size", [0, 1, LARGE])
    async def test_copy(self, store: CopyStore, bucket: str, size: int) -> None:
        data = content(size)
        async with ground(store, bucket) as here:
            source = await here.put("a/source", data, "text/plain")
            stored = await store.copy(here.place("a/source"), here.place("é/tar+get %41"), PutRules(type="image/png"))
            head = await store.head(here.place("é/tar+get %41"))
            for answer in (stored, head):
                assert (answer.place, answer.size, answer.etag) == (here.place("é/tar+get %41"), size, stored.etag)
                assert answer.type in (None, "image/png")
            assert await here.get("é/tar+get %41") == data
            assert await here.get("a/source") == data
            assert (await store.head(here.place("a/source"))).etag == source.etag

    async def test_copy_replaces(self, store: CopyStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("source", b"new bytes")
            old = await here.put("target", b"old bytes, and more of them")
            stored = await store.copy(here.place("source"), here.place("target"), PutRules())
            assert stored.etag != old.etag
            assert await here.get("target") == b"new bytes"
            await store.erase(here.place("source"))
            assert await here.get("target") == b"new bytes", "a copy does not hang on its source"

    async def test_copy_of_nothing(self, store: CopyStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("target", b"old bytes")
            for name in ("target", "new"):
                with pytest.raises(ObjectMissing):
                    await store.copy(here.place("none"), here.place(name), PutRules())
            assert await here.names() == ["target"]
            assert await here.get("target") == b"old bytes"

    async def test_copy_between_absent_buckets(self, store: CopyStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("one", b"x")
            with pytest.raises(BucketMissing):
                await store.copy(here.place("one"), Place(absent_bucket(), "one"), PutRules())
            with pytest.raises((ObjectMissing, BucketMissing)):
                await store.copy(Place(absent_bucket(), "one"), here.place("two"), PutRules())


class PartsContract:
    """The duties of ``TakesParts``. All parts but the last have the 5 MiB that S3 asks for."""

    async def test_parts_become_one_object(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            place = here.place("a/joined é")
            parts_id = await store.start_parts(place, PutRules(type="text/plain"))
            last = await store.put_part(place, parts_id, 7, b"the end")
            first = await store.put_part(place, parts_id, 2, content(5 * MIB))
            assert (first.number, first.size, last.number, last.size) == (2, 5 * MIB, 7, 7)
            assert [part async for part in store.parts(place, parts_id)] == [first, last]
            await _nothing_seen(here, place)
            stored = await store.finish_parts(place, parts_id, [first, last])
            assert stored == await store.head(place)
            assert (stored.place, stored.size) == (place, 5 * MIB + 7)
            assert stored.type in (None, "text/plain")
            assert await here.get("a/joined é") == content(5 * MIB) + b"the end"

    async def test_finish_may_be_repeated(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            parts_id, part = await _one_part(store, here)
            stored = await store.finish_parts(here.place("one"), parts_id, [part])
            assert await store.finish_parts(here.place("one"), parts_id, [part]) == stored

    async def test_finish_replaces(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("one", b"old bytes")
            parts_id, part = await _one_part(store, here)
            assert await here.get("one") == b"old bytes"
            await store.finish_parts(here.place("one"), parts_id, [part])
            assert await here.get("one") == b"part"

    async def test_a_part_may_be_sent_again(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            parts_id, old = await _one_part(store, here)
            new = await store.put_part(here.place("one"), parts_id, 1, b"better")
            assert [part async for part in store.parts(here.place("one"), parts_id)] == [new]
            assert new.etag != old.etag
            await store.finish_parts(here.place("one"), parts_id, [new])
            assert await here.get("one") == b"better"

    async def test_only_the_named_parts_are_joined(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            parts_id, part = await _one_part(store, here)
            await store.put_part(here.place("one"), parts_id, 2, b"left out")
            await store.finish_parts(here.place("one"), parts_id, [part])
            assert await here.get("one") == b"part"

    async def test_a_part_that_never_came(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            parts_id, part = await _one_part(store, here)
            never = PartRef(number=2, etag=part.etag, size=part.size)
            with pytest.raises(Incomplete):
                await store.finish_parts(here.place("one"), parts_id, [part, never])
            await _nothing_seen(here, here.place("one"))
            await store.drop_parts(here.place("one"), parts_id)

    async def test_ended_parts(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            place = here.place("one")
            dropped, part = await _one_part(store, here)
            for _ in range(2):
                await store.drop_parts(place, dropped)
            with pytest.raises(UploadMissing):
                await store.finish_parts(place, dropped, [part])
            finished, part = await _one_part(store, here)
            await store.finish_parts(place, finished, [part])
            for parts_id in (dropped, finished):
                with pytest.raises(UploadMissing):
                    await store.put_part(place, parts_id, 1, b"late")
                with pytest.raises(UploadMissing):
                    await anext(store.parts(place, parts_id))
            await store.drop_parts(place, finished)
            assert await here.get("one") == b"part"

    async def test_open_parts_are_listed_until_they_end(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            one, _ = await _one_part(store, here)
            two, _ = await _one_part(store, here)
            found = [open_ async for open_ in store.open_parts(bucket, here.prefix)]
            assert {open_.parts_id for open_ in found} == {one, two}
            assert {open_.key for open_ in found} == {here.place("one").key}
            assert all(open_.started.utcoffset() is not None for open_ in found)
            assert [open_ async for open_ in store.open_parts(bucket, f"{here.prefix}two")] == []
            await store.drop_parts(here.place("one"), one)
            assert [open_.parts_id async for open_ in store.open_parts(bucket, here.prefix)] == [two]
            await store.drop_parts(here.place("one"), two)
            assert [open_ async for open_ in store.open_parts(bucket, here.prefix)] == []

    async def test_clear_ends_the_parts_of_that_place_only(self, store: PartsStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            cut, _ = await _one_part(store, here, "one")
            other, part = await _one_part(store, here, "one-more")
            await store.clear(here.place("one"))
            with pytest.raises(UploadMissing):
                await store.put_part(here.place("one"), cut, 1, b"late")
            await store.finish_parts(here.place("one-more"), other, [part])
            assert await here.names() == ["one-more"]


async def _one_part(store: PartsStore, here: Ground, name: str = "one") -> tuple[str, PartRef]:
    parts_id = await store.start_parts(here.place(name), PutRules())
    return parts_id, await store.put_part(here.place(name), parts_id, 1, b"part")


async def _nothing_seen(here: Ground, place: Place) -> None:
    assert await here.names() == []
    with pytest.raises(ObjectMissing):
        await here.store.head(place)


class CorsContract:
    """The duties of ``SetsCors``. The bucket's rules are replaced."""

    async def test_rules_are_kept_and_replaced(self, store: SetsCors, bucket: str) -> None:
        first = CorsRule(
            origins=("https://a.example", "https://b.example"),
            methods=("PUT", "GET"),
            headers=("content-type", "content-md5"),
            expose=("ETag",),
            max_age=600,
        )
        second = CorsRule(origins=("https://c.example",), methods=("POST",), max_age=60)
        await store.set_cors(bucket, [first, second])
        assert _meaning(await store.cors(bucket)) == _meaning((first, second))
        await store.set_cors(bucket, [second])
        assert _meaning(await store.cors(bucket)) == _meaning((second,))
        await store.set_cors(bucket, [])
        assert await store.cors(bucket) == ()

    async def test_absent_bucket(self, store: SetsCors) -> None:
        with pytest.raises(BucketMissing):
            await store.cors(absent_bucket())


def _meaning(rules: Sequence[CorsRule]) -> list[tuple[object, ...]]:
    """What rules allow: the order of rules counts, that of origins, methods and headers does not."""
    return [(set(rule.origins), set(rule.methods), set(rule.headers), set(rule.expose), rule.max_age) for rule in rules]


class SigningContract:
    """The duties of ``Signs`` that can be seen without a server: what is signed is not checked here."""

    @pytest.mark.parametrize("seconds", [0, -1, 604_801, 0.5])
    def test_expiry_out_of_bounds(self, store: Signs, bucket: str, seconds: float) -> None:
        with pytest.raises(Invalid):
            store.sign("GET", Place(bucket, "one"), timedelta(seconds=seconds))
        with pytest.raises(Invalid):
            store.sign_form(Place(bucket, "one"), timedelta(seconds=seconds), FormLimits(max_size=1))

    @pytest.mark.parametrize("seconds", [1, 604_800])
    def test_longest_and_shortest_expiry(self, store: Signs, bucket: str, seconds: int) -> None:
        short = store.sign("GET", Place(bucket, "one"), timedelta(seconds=1))
        signed = store.sign("GET", Place(bucket, "one"), timedelta(seconds=seconds))
        assert signed.expires_at.utcoffset() is not None
        assert signed.expires_at >= short.expires_at

    def test_each_method_and_key_is_signed_for_itself(self, store: Signs, bucket: str) -> None:
        urls = {
            store.sign(method, Place(bucket, key), timedelta(minutes=1), query=query).url
            for method in ("GET", "PUT")
            for key in ("one", "two")
            for query in ((), (("response-content-type", "text/plain"),))
        }
        assert len(urls) == 8

    def test_headers_are_handed_back(self, store: Signs, bucket: str) -> None:
        signed = store.sign(
            "PUT", Place(bucket, "one"), timedelta(minutes=1), headers=[("content-type", "text/plain")]
        )  # fmt: skip
        assert {name.lower(): value for name, value in signed.headers}["content-type"] == "text/plain"

    def test_form_carries_its_exact_fields(self, store: Signs, bucket: str) -> None:
        limits = FormLimits(max_size=10, fields=(("Content-Type", "text/plain"),))
        signed = store.sign_form(Place(bucket, "a/one"), timedelta(minutes=1), limits)
        fields = dict(signed.fields)
        assert len(fields) == len(signed.fields)
        assert fields["key"] == "a/one"
        assert fields["Content-Type"] == "text/plain"
        assert "file" not in fields
