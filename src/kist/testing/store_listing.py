"""The part of the store contract that is about listings: order, prefix, start, and nothing missing."""

from __future__ import annotations

import secrets

from kist.model.content import PutRules
from kist.model.place import Place
from kist.ports.store import ObjectStore
from kist.testing.ground import TRICKY_NAMES, ground, in_blocks


class ListingContract:
    """The duties of ``ObjectStore.list``."""

    long_list = 1005
    """How many objects the long listing has: more than one page of the store."""

    async def test_list_in_byte_order(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            for name in (*TRICKY_NAMES, "a/b-c", "a/b.c", "a/c/d", "a-c/z", "a0/b"):
                await here.put(name, name.encode())
            found = await here.listed()
            keys = [entry.key for entry in found]
            assert keys == sorted(keys, key=str.encode)
            assert len(keys) == len(set(keys)) == len(TRICKY_NAMES) + 5
            for entry in found:
                assert entry.size == len(entry.key.removeprefix(here.prefix).encode())

    async def test_list_by_prefix_and_after(self, store: ObjectStore, bucket: str) -> None:
        names = ["a", "b-c", "b.c", "b/c", "b/d/e", "b/d/f", "b/dz", "b0", "c/x", "é"]
        async with ground(store, bucket) as here:
            for name in names:
                await here.put(name, b"x")
            for prefix in ("", "b", "b/", "b/d", "b/d/", "b/d/e", "b.", "c/x", "x", "b/d/e/", "é", "zz"):
                for after in (
                    "",
                    "a",
                    "b",
                    "b/",
                    "b/c",
                    "b/d",
                    "b/d/",
                    "b/d/e",
                    "b/d/e0",
                    "b/z",
                    "c",
                    "é",
                    "\U0010ffff",
                ):
                    expected = [name for name in names if name.startswith(prefix) and name > after]
                    assert await here.names(prefix, after) == expected, (prefix, after)

    async def test_a_long_list_is_whole(self, store: ObjectStore, bucket: str) -> None:
        names = [f"{number // 100:02}/{number:05}" for number in range(self.long_list)]
        async with ground(store, bucket) as here:
            for name in names:
                await here.put(name, b"")
            assert await here.names() == names
            assert await here.names(after=names[-2]) == names[-1:]

    async def test_what_lies_under_the_reserved_prefix_is_listed(self, store: ObjectStore, bucket: str) -> None:
        for folder in (".kist/in/", ".kist/parts/", ".kist/objects/", ".kist/tmp/"):
            place = Place(bucket, folder + secrets.token_hex(8))
            try:
                await store.put(place, in_blocks(b"x"), PutRules())
                assert [entry.key async for entry in store.list(bucket, place.key)] == [place.key]
            finally:
                await store.erase(place)
