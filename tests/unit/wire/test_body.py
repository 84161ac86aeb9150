"""A body counts what comes, and says the same again once it has failed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from kist.errors import Incomplete, TooLarge
from kist.wire.body import Body, Pull, body_of


def pulling(blocks: Iterable[bytes]) -> Pull:
    waiting = iter(blocks)

    async def pull() -> bytes:
        return next(waiting, b"")

    return pull


async def test_blocks_come_as_they_are() -> None:
    body = body_of(b"ab", b"", b"c")
    assert [block async for block in body] == [b"ab", b"c"]
    assert (body.received, body.finished) == (3, True)
    assert [block async for block in body] == []


async def test_fewer_bytes_than_declared_are_incomplete_again_and_again() -> None:
    body = Body(pulling([b"abc"]), length=4)
    for _ in range(2):
        with pytest.raises(Incomplete) as caught:
            await body.read(100)
        assert caught.value.about == {"received": 3, "declared": 4}


async def test_more_bytes_than_declared_are_not_the_declared_body() -> None:
    with pytest.raises(Incomplete):
        await Body(pulling([b"abc", b"de"]), length=4).read(100)


async def test_a_declared_length_above_the_limit_fails_before_a_byte_is_pulled() -> None:
    async def pull() -> bytes:
        raise AssertionError("pulled")

    with pytest.raises(TooLarge) as caught:
        await Body(pull, length=11).read(10)
    assert caught.value.about == {"limit": 10}


async def test_counting_stops_at_the_first_block_too_many() -> None:
    pulled = []

    async def pull() -> bytes:
        pulled.append(1)
        return b"x" * 6

    with pytest.raises(TooLarge):
        await Body(pull).read(10)
    assert len(pulled) == 2


async def test_the_smaller_limit_holds() -> None:
    with pytest.raises(TooLarge):
        await Body(pulling([b"12345"]), limit=4).read(10)
    with pytest.raises(TooLarge):
        await Body(pulling([b"12345"]), limit=10).read(4)


async def test_exactly_the_limit_is_taken() -> None:
    assert await Body(pulling([b"12", b"345"]), length=5).read(5) == b"12345"
