"""The part of the store contract that needs an event loop: several callers at once, and callers that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from kist.errors import Corrupt, ObjectMissing, StoreUnavailable
from kist.model.content import PutRules
from kist.ports.store import ObjectStore, TakesParts
from kist.testing.ground import LARGE, MIB, content, ground


class RacesContract:
    """Give the fixtures of ``StoreContract``; the store must suspend in the running loop or not at all."""

    async def test_puts_at_once_leave_one_whole_body(self, store: ObjectStore, bucket: str) -> None:
        bodies = [content(size, seed) for seed, size in enumerate((0, 1, 1000, 70_000, MIB + 1, LARGE))]
        async with ground(store, bucket) as here:
            for _ in range(3):
                await asyncio.gather(*[here.put("one", body) for body in bodies])
                assert await here.get("one") in bodies
                assert await here.names() == ["one"]

    async def test_puts_at_once_to_many_places(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:
            await asyncio.gather(*[here.put(f"new/{n % 3}/{n}", content(1000, n)) for n in range(24)])
            assert len(await here.names()) == 24
            assert await asyncio.gather(*[here.get(f"new/{n % 3}/{n}") for n in range(24)]) == [
                content(1000, n) for n in range(24)
            ]

    async def test_readers_during_replacements(self, store: ObjectStore, bucket: str) -> None:
        versions = [content(2 * MIB, seed) for seed in range(6)]
        async with ground(store, bucket) as here:
            await here.put("one", versions[0])

            async def replace() -> None:
                for version in versions:
                    await here.put("one", version)

            writing = asyncio.create_task(replace())
            read = 0
            while not writing.done():
                with suppress(Corrupt, StoreUnavailable):
                    assert await here.get("one") in versions
                read += 1
                await asyncio.sleep(0)
            await writing
            assert read
            assert await here.get("one") == versions[-1]

    async def test_puts_and_erases_in_one_folder(self, store: ObjectStore, bucket: str) -> None:
        async with ground(store, bucket) as here:

            async def come_and_go(name: str) -> None:
                for _ in range(15):
                    await here.put(f"a/b/{name}", name.encode())
                    assert await here.get(f"a/b/{name}") == name.encode()
                    await store.erase(here.place(f"a/b/{name}"))

            await asyncio.gather(*[come_and_go(str(number)) for number in range(4)])
            assert await here.names() == []

    @pytest.mark.parametrize("sent", [0, 5, LARGE])
    async def test_a_cancelled_put_changes_nothing(self, store: ObjectStore, bucket: str, sent: int) -> None:
        begun = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            yield content(sent)
            begun.set()
            await asyncio.Event().wait()

        async with ground(store, bucket) as here:
            await here.put("old", b"old bytes")
            for name in ("old", "new"):
                begun.clear()
                putting = asyncio.create_task(store.put(here.place(name), stalled(), PutRules()))
                await begun.wait()
                putting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await putting
            assert await here.names() == ["old"]
            assert await here.get("old") == b"old bytes"
            with pytest.raises(ObjectMissing):
                await store.head(here.place("new"))
            if isinstance(store, TakesParts):
                assert [left async for left in store.open_parts(bucket, here.prefix)] == []
