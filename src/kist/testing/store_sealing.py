"""What sealing and receiving must do: what only stores do whose users bring in bytes by themselves."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from kist.errors import Incomplete, ObjectMissing, UploadMissing
from kist.model.content import PutRules
from kist.ports.store import ObjectStore, Receives, Seals, TakesParts
from kist.testing.ground import LARGE, BodyFailed, content, failing, ground, in_blocks

__all__ = ["ReceivesContract", "SealsContract"]


class SealingStore(ObjectStore, Seals, Protocol):
    """A store that seals."""


class ReceivingStore(ObjectStore, TakesParts, Receives, Protocol):
    """A store that takes parts by itself."""


class SealsContract:
    """The duties of ``Seals``."""

    @pytest.mark.parametrize("size", [0, 1, LARGE])
    async def test_what_is_sealed_stays(self, store: SealingStore, bucket: str, size: int) -> None:
        data = content(size)
        async with ground(store, bucket) as here:
            await here.put("in/source", data)
            sealed = await store.seal(here.place("in/source"), here.place("out/target"), PutRules(type="image/png"))
            assert (sealed.place, sealed.size) == (here.place("out/target"), size)
            assert sealed.type in (None, "image/png")
            assert (await store.head(here.place("out/target"))).etag == sealed.etag
            for change in (b"other bytes", b"", content(LARGE, 3)):
                await here.put("in/source", change)
                assert await here.get("out/target") == data
            await store.erase(here.place("in/source"))
            assert await here.get("out/target") == data
            assert (await store.head(here.place("out/target"))).etag == sealed.etag

    async def test_a_put_that_was_under_way_changes_nothing(self, store: SealingStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("source", b"the bytes that were looked at")

            async def sealed_meanwhile() -> AsyncIterator[bytes]:
                yield content(LARGE, 5)
                await store.seal(here.place("source"), here.place("target"), PutRules())
                yield b"the end"

            await store.put(here.place("source"), sealed_meanwhile(), PutRules())
            assert await here.get("target") == b"the bytes that were looked at"
            assert await here.get("source") == content(LARGE, 5) + b"the end"

    async def test_sealing_replaces(self, store: SealingStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("source", b"new bytes")
            await here.put("target", b"old bytes, and more")
            await store.seal(here.place("source"), here.place("target"), PutRules())
            await store.seal(here.place("source"), here.place("target"), PutRules())
            assert await here.get("target") == await here.get("source") == b"new bytes"
            assert await here.names() == ["source", "target"]

    async def test_sealing_nothing(self, store: SealingStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await here.put("target", b"old bytes")
            with pytest.raises(ObjectMissing):
                await store.seal(here.place("none"), here.place("target"), PutRules())
            assert await here.get("target") == b"old bytes"


class ReceivesContract:
    """The duties of ``Receives`` that concern bytes."""

    @pytest.mark.parametrize("size", [0, 1, LARGE])
    async def test_a_part_is_received(self, store: ReceivingStore, bucket: str, size: int) -> None:
        data = content(size)
        async with ground(store, bucket) as here:
            parts_id = await store.start_parts(here.place("one"), PutRules())
            part = await store.receive_part(here.place("one"), parts_id, 1, in_blocks(data), size)
            digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
            assert (part.number, part.size, part.etag) == (1, size, digest)
            assert [ref async for ref in store.parts(here.place("one"), parts_id)] == [part]
            await store.finish_parts(here.place("one"), parts_id, [part])
            assert await here.get("one") == data

    @pytest.mark.parametrize("came", [0, 4, 6, LARGE])
    async def test_a_part_of_another_size(self, store: ReceivingStore, bucket: str, came: int) -> None:
        async with ground(store, bucket) as here:
            place = here.place("one")
            parts_id = await store.start_parts(place, PutRules())
            kept = await store.receive_part(place, parts_id, 1, in_blocks(b"12345"), 5)
            with pytest.raises(Incomplete):
                await store.receive_part(place, parts_id, 1, in_blocks(content(came)), 5)
            with pytest.raises(BodyFailed):
                await store.receive_part(place, parts_id, 1, failing(b"123", BodyFailed("the sender left")), 5)
            assert [ref async for ref in store.parts(place, parts_id)] == [kept]
            await store.drop_parts(place, parts_id)

    async def test_a_part_of_an_ended_upload(self, store: ReceivingStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            place = here.place("one")
            parts_id = await store.start_parts(place, PutRules())
            part = await store.receive_part(place, parts_id, 1, in_blocks(b"12345"), 5)

            async def finished_meanwhile() -> AsyncIterator[bytes]:
                yield b"evi"
                await store.finish_parts(place, parts_id, [part])
                yield b"l!"

            with pytest.raises(UploadMissing):
                await store.receive_part(place, parts_id, 1, finished_meanwhile(), 5)
            with pytest.raises(UploadMissing):
                await store.receive_part(place, parts_id, 1, in_blocks(b"evil!"), 5)
            assert await here.get("one") == b"12345"
