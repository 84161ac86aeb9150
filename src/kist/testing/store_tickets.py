"""Contracts of what uploads by ticket need: sealing, and stores that answer their own signed requests.

Give the same fixtures as for ``StoreContract``.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from kist.errors import BucketMissing, Incomplete, Invalid, NotAllowed, ObjectMissing, UploadMissing
from kist.model.content import FormLimits, PartRef, PutRules
from kist.model.place import Place
from kist.ports.store import ObjectStore, Receives, Seals, Signs, TakesParts
from kist.testing.ground import (
    KIB,
    LARGE,
    MIB,
    BodyCut,
    BodyFailed,
    Ground,
    absent_bucket,
    content,
    failing,
    ground,
    in_blocks,
)


class SealStore(ObjectStore, Seals, Protocol):
    """A store that seals."""


class ReceivingStore(ObjectStore, TakesParts, Signs, Receives, Protocol):
    """A store that answers what it has signed."""


class SealsContract:
    """The duties of ``Seals``."""

    @pytest.mark.parametrize("size", [0, 1, LARGE])
    async def test_seal(self, store: SealStore, bucket: str, size: int) -> None:
        data = content(size)
        async with ground(store, bucket) as here:
            source = await here.put("in/source é", data, "text/plain")
            sealed = await store.seal(here.place("in/source é"), here.place("a/sealed"), PutRules(type="image/png"))
            head = await store.head(here.place("a/sealed"))
            for answer in (sealed, head):
                assert (answer.place, answer.size, answer.etag) == (here.place("a/sealed"), size, sealed.etag)
                assert answer.type in (None, "image/png")
            assert await here.get("a/sealed") == data
            assert await here.get("in/source é") == data
            assert (await store.head(here.place("in/source é"))).etag == source.etag
            assert await here.names() == ["a/sealed", "in/source é"]

    @pytest.mark.parametrize("size", [9, LARGE])
    async def test_a_later_put_leaves_what_is_sealed(self, store: SealStore, bucket: str, size: int) -> None:
        async with ground(store, bucket) as here:
            await here.put("source", content(size, 1))
            await store.seal(here.place("source"), here.place("sealed"), PutRules())
            before = await store.head(here.place("sealed"))
            await here.put("source", content(size, 2))
            assert await here.get("source") == content(size, 2)
            assert await here.get("sealed") == content(size, 1)
            assert await store.head(here.place("sealed")) == before

    @pytest.mark.parametrize("size", [9, LARGE])
    async def test_a_put_that_began_before_leaves_what_is_sealed(
        self, store: SealStore, bucket: str, size: int
    ) -> None:
        async with ground(store, bucket) as here:

            async def overtaken() -> AsyncIterator[bytes]:
                yield content(size, 2)
                await store.seal(here.place("source"), here.place("sealed"), PutRules())
                yield b"the end"

            await here.put("source", content(size, 1))
            await store.put(here.place("source"), overtaken(), PutRules())
            assert await here.get("source") == content(size, 2) + b"the end"
            assert await here.get("sealed") == content(size, 1)

    async def test_erasing_the_source_leaves_what_is_sealed(self, store: SealStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("source", b"kept")
            await store.seal(here.place("source"), here.place("sealed"), PutRules())
            await store.erase(here.place("source"))
            await store.clear(here.place("source"))
            assert await here.get("sealed") == b"kept"
            assert await here.names() == ["sealed"]

    async def test_seal_replaces(self, store: SealStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("sealed", b"old bytes, and more of them")
            for data in (b"new bytes", b"newer bytes"):
                await here.put("source", data)
                for _ in range(2):
                    sealed = await store.seal(here.place("source"), here.place("sealed"), PutRules())
                    assert sealed.size == len(data)
                    assert await here.get("sealed") == data
            assert await here.names() == ["sealed", "source"]

    async def test_seal_of_nothing(self, store: SealStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("folder/sealed", b"old bytes")
            for source in ("none", "folder", "folder/sealed/none"):
                for target in ("folder/sealed", "new"):
                    with pytest.raises(ObjectMissing):
                        await store.seal(here.place(source), here.place(target), PutRules())
            assert await here.names() == ["folder/sealed"]
            assert await here.get("folder/sealed") == b"old bytes"

    async def test_seal_between_absent_buckets(self, store: SealStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("one", b"x")
            with pytest.raises(BucketMissing):
                await store.seal(here.place("one"), Place(absent_bucket(), "one"), PutRules())
            with pytest.raises((ObjectMissing, BucketMissing)):
                await store.seal(Place(absent_bucket(), "one"), here.place("two"), PutRules())


class ReceivesContract:
    """The duties of ``Receives``."""

    @pytest.mark.parametrize("size", [0, 1, MIB, LARGE])
    async def test_a_part_of_any_size(self, store: ReceivingStore, bucket: str, size: int) -> None:
        async with ground(store, bucket) as here:
            place = here.place("one")
            parts_id = await store.start_parts(place, PutRules())
            part = await store.receive_part(place, parts_id, 3, in_blocks(content(size)), size)
            assert (part.number, part.size) == (3, size)
            assert [each async for each in store.parts(place, parts_id)] == [part]
            stored = await store.finish_parts(place, parts_id, [part])
            assert stored.size == size
            assert await here.get("one") == content(size)

    async def test_a_received_part_is_as_one_that_was_put(self, store: ReceivingStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            parts_id, put = await _begun(store, here)
            received = await store.receive_part(here.place("one"), parts_id, 1, in_blocks(b"former"), 6)
            assert received == put

    async def test_a_large_part_in_little_memory(self, store: ReceivingStore, bucket: str) -> None:
        async def blocks() -> AsyncIterator[bytes]:
            for number in range(256):
                yield bytes([number]) * (256 * KIB)

        async with ground(store, bucket) as here:
            place = here.place("one")
            parts_id = await store.start_parts(place, PutRules())
            tracemalloc.start()
            try:
                await store.receive_part(place, parts_id, 1, blocks(), 64 * MIB)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < 16 * MIB
            await store.drop_parts(place, parts_id)

    @pytest.mark.parametrize(("declared", "came"), [(5, 4), (5, 0), (5, 6), (0, 1), (LARGE, LARGE - 1), (5, LARGE)])
    async def test_a_part_of_another_size(self, store: ReceivingStore, bucket: str, declared: int, came: int) -> None:
        async with ground(store, bucket) as here:
            parts_id, former = await _begun(store, here)
            for number in (1, 2):
                with pytest.raises(Incomplete):
                    await store.receive_part(
                        here.place("one"), parts_id, number, in_blocks(content(came)), declared
                    )  # fmt: skip
            await _only_the_former(store, here, parts_id, former)

    @pytest.mark.parametrize("sent", [0, 5, LARGE])
    @pytest.mark.parametrize("error", [BodyFailed("the sender left"), BodyCut("cancelled")], ids=["error", "cut"])
    async def test_a_part_whose_body_fails(
        self, store: ReceivingStore, bucket: str, sent: int, error: BaseException
    ) -> None:
        async with ground(store, bucket) as here:
            parts_id, former = await _begun(store, here)
            for number in (1, 2):
                with pytest.raises((BodyFailed, BodyCut)) as caught:
                    await store.receive_part(
                        here.place("one"), parts_id, number, failing(content(sent), error), sent + 5
                    )  # fmt: skip
                assert caught.value is error
            await _only_the_former(store, here, parts_id, former)

    @pytest.mark.parametrize("number", [0, -1, 10_001])
    async def test_a_number_that_no_part_has(self, store: ReceivingStore, bucket: str, number: int) -> None:
        async with ground(store, bucket) as here:
            parts_id, former = await _begun(store, here)
            with pytest.raises(Invalid):
                await store.receive_part(here.place("one"), parts_id, number, in_blocks(b"x"), 1)
            await _only_the_former(store, here, parts_id, former)

    @pytest.mark.parametrize("size", [5, LARGE])
    async def test_an_upload_that_ends_while_a_part_comes_in(
        self, store: ReceivingStore, bucket: str, size: int
    ) -> None:
        async with ground(store, bucket) as here:
            place = here.place("one")
            dropped, _ = await _begun(store, here)
            finished, former = await _begun(store, here)

            async def late(parts_id: str) -> AsyncIterator[bytes]:
                yield content(size)
                if parts_id == dropped:
                    await store.drop_parts(place, dropped)
                else:
                    await store.finish_parts(place, finished, [former])
                yield b"end"

            for parts_id in (dropped, finished):
                with pytest.raises(UploadMissing):
                    await store.receive_part(place, parts_id, 1, late(parts_id), size + 3)
                with pytest.raises(UploadMissing):
                    await store.receive_part(place, parts_id, 1, in_blocks(b"x"), 1)
            assert await here.get("one") == b"former"
            assert [each async for each in store.open_parts(bucket, here.prefix)] == []

    @pytest.mark.parametrize("parts_id", ["", "..", "0" * 32, "../../one", "\0"])
    async def test_an_id_that_is_none(self, store: ReceivingStore, bucket: str, parts_id: str) -> None:
        async with ground(store, bucket) as here:
            for place in (here.place("one"), here.place("two")):
                with pytest.raises(UploadMissing):
                    await store.receive_part(place, parts_id, 1, in_blocks(b"x"), 1)

    async def test_parts_of_two_uploads_do_not_mix(self, store: ReceivingStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            one, former = await _begun(store, here)
            two = await store.start_parts(here.place("one"), PutRules())
            other = await store.receive_part(here.place("one"), two, 1, in_blocks(b"other"), 5)
            with pytest.raises(UploadMissing):
                await store.receive_part(here.place("two"), one, 1, in_blocks(b"x"), 1)
            assert [each async for each in store.parts(here.place("one"), one)] == [former]
            await store.drop_parts(here.place("one"), one)
            await store.finish_parts(here.place("one"), two, [other])
            assert await here.get("one") == b"other"

    def test_what_was_signed_is_what_is_verified(self, store: ReceivingStore, bucket: str) -> None:
        place = Place(bucket, "a b+c/é&%41?#.txt")
        headers, query = [("Content-Type", "text/plain")], [("partNumber", "1"), ("uploadId", "x")]
        signed = store.sign("PUT", place, timedelta(minutes=1), headers=headers, query=query)
        grant = store.verify(_token(signed.url))
        assert (grant.method, grant.place, grant.expires_at) == ("PUT", place, signed.expires_at)
        assert (grant.headers, grant.query) == ((("content-type", "text/plain"),), tuple(query))
        assert grant.form is None
        limits = FormLimits(max_size=10, fields=(("Content-Type", "text/plain"),))
        form = store.sign_form(place, timedelta(minutes=1), limits)
        grant = store.verify(dict(form.fields)["policy"])
        assert (grant.method, grant.place, grant.expires_at) == ("POST", place, form.expires_at)
        assert grant.form == limits

    def test_another_token_is_refused(self, store: ReceivingStore, bucket: str) -> None:
        token = _token(store.sign("PUT", Place(bucket, "one"), timedelta(minutes=1)).url)
        other = _token(store.sign("PUT", Place(bucket, "two"), timedelta(minutes=1)).url)
        text, _, proof = token.rpartition(".")
        wrong = [f"{text}.{other.rpartition('.')[2]}", f"{other.rpartition('.')[0]}.{proof}", f"{token}="]
        for changed in (*wrong, "", ".", text, proof, f"{text}.", f".{proof}", token + "A", "é.ü", f"{text} .{proof}"):
            with pytest.raises(NotAllowed):
                store.verify(changed)


async def _begun(store: ReceivingStore, here: Ground) -> tuple[str, PartRef]:
    parts_id = await store.start_parts(here.place("one"), PutRules())
    return parts_id, await store.put_part(here.place("one"), parts_id, 1, b"former")


async def _only_the_former(store: ReceivingStore, here: Ground, parts_id: str, former: PartRef) -> None:
    """The part is as it was, nothing else has come, and the upload can still be finished."""
    place = here.place("one")
    assert [each async for each in store.parts(place, parts_id)] == [former]
    await store.finish_parts(place, parts_id, [former])
    assert await here.get("one") == b"former"


def _token(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
