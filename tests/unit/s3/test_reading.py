"""Reading: exactly the bytes that were asked for, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.s3.stub import LATELY, Answer, Stub, found, refused

from kist.errors import BadRange, KistError, ObjectMissing, Stale, StoreRefused, StoreUnavailable
from kist.model.content import Condition, Span
from kist.model.place import Place
from kist.stores.s3 import S3Store
from kist.testing.ground import read as read_all

PLACE = Place("bucket", "key")


def whole(*blocks: bytes, size: int | None = None, **more: Any) -> Answer:
    length = sum(map(len, blocks)) if size is None else size
    known: dict[str, Any] = {"content_length": str(length), "etag": '"e"', "last_modified": LATELY, **more}
    return Answer(200, blocks, **known)


def part(*blocks: bytes, at: str, etag: str = '"e"', **more: Any) -> Answer:
    start, _, stop = at.partition("/")[0].partition("-")
    length = str(int(stop) - int(start) + 1)
    known: dict[str, Any] = {"content_length": length, "etag": etag, "last_modified": LATELY}
    return Answer(206, blocks, **{**known, "content_range": f"bytes {at}", **more})


def read(*answers: Answer | Exception, span: Span | None = None, only_if: Condition | None = None) -> Any:
    stub = Stub(*answers)

    async def act(store: S3Store) -> Any:
        return await read_all(await store.open(PLACE, span, only_if))

    return stub.run(act), stub


def fails(*answers: Answer | Exception, **asked: Any) -> KistError:
    with pytest.raises(KistError) as caught:
        read(*answers, **asked)
    return caught.value


def test_the_whole() -> None:
    data, stub = read(whole(b"he", b"llo"))
    assert data == b"hello"
    assert "range" not in stub.asked[0].headers


def test_a_span_on_a_condition() -> None:
    data, stub = read(part(b"ell", at="1-3/5"), span=Span(1, 4), only_if=Condition("e"))
    assert data == b"ell"
    assert (stub.asked[0].headers["range"], stub.asked[0].headers["if-match"]) == ("bytes=1-3", '"e"')


def test_an_etag_without_quotes_is_the_same() -> None:
    stub = Stub(whole(b"", etag="e"), whole(b"", etag='W/"e"'))

    async def act(store: S3Store) -> Any:
        return [(await open_and_close(store)).stored.etag for _ in range(2)]

    assert stub.run(act) == ["e", "e"]


async def open_and_close(store: S3Store) -> Any:
    opened = await store.open(PLACE)
    await opened.close()
    await opened.close()
    return opened


def test_a_span_that_the_server_cut_short() -> None:
    error = fails(part(b"ello", at="1-4/5"), span=Span(1, 9))
    assert isinstance(error, BadRange)
    assert error.about == {"size": 5}


def test_a_span_beyond_all_is_asked_for_its_size() -> None:
    error = fails(refused(416, "InvalidRange"), found(5, "e"), span=Span(7, 9))
    assert isinstance(error, BadRange)
    assert error.about == {"size": 5}


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"hello"),
        part(b"he", at="0-1/5"),
        part(b"ell", at="1-3/5", content_length="2"),
        part(b"ell", at="1-3/*"),
        part(b"ell", at="1-3/5", content_range="items 1-3/5"),
    ],
    ids=range(5),
)
def test_another_range_than_the_asked_one(answer: Answer) -> None:
    assert isinstance(fails(answer, span=Span(1, 4)), StoreRefused)


@pytest.mark.parametrize(
    "answer",
    [whole(content_length=""), whole(content_length="-1"), whole(last_modified=""), whole(b"hello", size=4)],
    ids=range(4),
)
def test_answers_that_lack_what_must_be_known(answer: Answer) -> None:
    assert isinstance(fails(answer), StoreRefused)


def test_a_break_is_mended_where_it_was() -> None:
    data, stub = read(whole(b"hel", size=9, cut=True), part(b"lo", at="3-8/9", cut=True), part(b"worl", at="5-8/9"))
    assert data == b"helloworl"
    assert [request.headers.get("range") for request in stub.asked] == [None, "bytes=3-8", "bytes=5-8"]
    assert stub.asked[1].headers["if-match"] == '"e"'


def test_a_body_that_ends_early_is_a_break() -> None:
    assert read(whole(b"hel", size=5), part(b"lo", at="3-4/5"))[0] == b"hello"


def test_a_break_within_a_span() -> None:
    assert read(part(b"e", at="1-3/5", cut=True), part(b"ll", at="2-3/5"), span=Span(1, 4))[0] == b"ell"


def test_too_many_breaks() -> None:
    breaks = [part(at="3-4/5", cut=True) for _ in range(3)]
    assert isinstance(fails(whole(b"hel", size=5, cut=True), *breaks), StoreUnavailable)


@pytest.mark.parametrize(
    "second",
    [
        refused(412, "PreconditionFailed"),
        refused(404, "NoSuchKey"),
        part(b"lo", at="3-4/5", etag='"f"'),
        whole(b"hello"),
    ],
    ids=range(4),
)
def test_another_object_is_never_mixed_in(second: Answer) -> None:
    error = fails(whole(b"hel", size=5, cut=True), second)
    assert isinstance(error, StoreUnavailable)


def test_an_object_without_etag_cannot_be_mended() -> None:
    assert isinstance(fails(whole(b"hel", size=5, cut=True, etag="")), StoreUnavailable)


def test_a_closed_reader_asks_no_more() -> None:
    answer = whole(b"hel", size=5, cut=True)

    async def act(store: S3Store) -> Any:
        opened = await store.open(PLACE)
        await anext(aiter(opened.body))
        await opened.close()
        answer.closed = False  # the break must be met, not the stub's own check
        with pytest.raises(StoreUnavailable):
            await anext(aiter(opened.body))

    Stub(answer).run(act)


def test_absent_and_stale() -> None:
    assert isinstance(fails(refused(404, "NoSuchBucket")), ObjectMissing)
    assert isinstance(fails(refused(412, "PreconditionFailed"), only_if=Condition("x")), Stale)


def test_heads_keep_their_order() -> None:
    async def act(store: S3Store) -> Any:
        return await store.heads(PLACE, Place("bucket", "none"), PLACE)

    first, second, third = Stub(found(1, "a"), Answer(404), found(2, "b")).run(act)
    assert (first.etag, second, third.size) == ("a", None, 2)
