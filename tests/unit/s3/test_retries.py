"""When requests are tried again, how long they wait, and when the store is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.s3.stub import GONE, MD5_OF_HELLO, Answer, Stub, found, refused

from kist.drive import drive
from kist.errors import EndpointRedirects, StoreRefused, StoreUnavailable
from kist.model.content import PutRules
from kist.model.place import Place
from kist.stores.s3 import S3Store
from kist.stores.s3.breaker import Breaker
from kist.testing.clock import FakeClock
from kist.testing.ground import MIB, in_blocks

PLACE = Place("bucket", "key")


async def head(store: S3Store) -> Any:
    return await store.head(PLACE)


async def put(store: S3Store) -> Any:
    return await store.put(PLACE, in_blocks(b"hello"), PutRules())


@pytest.mark.parametrize(
    "trouble",
    [
        GONE,
        Answer(500),
        Answer(502),
        Answer(503),
        Answer(504),
        Answer(429),
        refused(503, "SlowDown"),
        refused(500, "InternalError"),
        refused(400, "RequestTimeout"),
        refused(400, "BadDigest"),
        refused(409, "OperationAborted"),
        refused(503, "SomethingNew"),
    ],
    ids=repr,
)
def test_trouble_that_passes_is_not_seen(trouble: Any) -> None:
    stub = Stub(trouble, Answer(etag=f'"{MD5_OF_HELLO}"'))
    assert stub.run(put).size == 5
    assert [request.body for request in stub.asked] == [b"hello", b"hello"]
    assert len(stub.clock.pauses) == 1


def test_the_pauses_grow_and_are_random() -> None:
    waits = []
    for _ in range(2):
        stub = Stub(*[GONE] * 4, found(5, "e"))
        stub.run(head, patience=100)
        waits.append(stub.clock.pauses)
    assert [len(each) for each in waits] == [4, 4]
    for pauses in waits:
        assert all(0 <= pause <= 0.2 * 2**tries for tries, pause in enumerate(pauses))
    assert len(set(waits[0])) == 4


def test_five_tries_are_enough() -> None:
    stub = Stub(*[GONE] * 5)
    with pytest.raises(StoreUnavailable) as caught:
        stub.run(put)
    assert caught.value is GONE


def test_the_server_says_how_long_to_wait() -> None:
    stub = Stub(refused(503, "SlowDown", retry_after="7"), Answer(etag=f'"{MD5_OF_HELLO}"'))
    stub.run(put)
    assert 7 <= stub.clock.pauses[0] <= 7.2


def test_who_waits_to_read_is_told_soon() -> None:
    stub = Stub(refused(503, "SlowDown", retry_after="30"))
    with pytest.raises(StoreUnavailable) as caught:
        stub.run(head)
    assert caught.value.about == {"after": 30}
    assert stub.clock.pauses == []


def test_a_server_that_is_late_is_asked_once_by_readers() -> None:
    stub = Stub(GONE)
    stub.late = 10
    with pytest.raises(StoreUnavailable):
        stub.run(head)


def test_an_upload_outlasts_a_late_server() -> None:
    stub = Stub(GONE, GONE, Answer(etag=f'"{MD5_OF_HELLO}"'))
    stub.late = 10
    assert stub.run(put).size == 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_errors(status: int) -> None:
    stub = Stub(Answer(status, location="http://elsewhere/bucket/key"))
    with pytest.raises(EndpointRedirects, match="redirects"):
        stub.run(head)


def test_a_refusal_is_not_tried_again() -> None:
    stub = Stub(refused(403, "AccessDenied"))
    with pytest.raises(StoreRefused, match="right"):
        stub.run(put)


def test_each_try_is_signed_anew() -> None:
    stub = Stub(refused(503, "SlowDown", retry_after="3"), Answer(etag=f'"{MD5_OF_HELLO}"'))
    stub.run(put)
    first, second = (request.headers["x-amz-date"] for request in stub.asked)
    assert first < second


def test_a_store_that_is_gone_is_left_alone_for_a_while() -> None:
    stub = Stub(*[GONE] * 5)
    store = stub.store()
    stub.late = 0.5
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            drive(head(store))
    asked = len(stub.asked)
    with pytest.raises(StoreUnavailable) as caught:
        drive(head(store))
    assert len(stub.asked) == asked, "nothing is sent any more"
    assert caught.value.about == {"after": 1}

    stub.clock.advance(1.1)
    stub.answers = [found(5, "e")]
    stub.late = 0
    drive(head(store))
    stub.answers = [found(5, "e"), found(5, "e")]
    drive(head(store))
    drive(head(store))
    assert not stub.answers


def goes_away(breaker: Breaker, clock: FakeClock) -> None:
    """Requests fail until it opens, and its first rest is over."""
    for _ in range(5):
        began = breaker.enter()
        clock.advance(0.5)
        breaker.failed(began)
    clock.advance(1.1)


def test_only_one_looks_whether_the_store_is_back() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    goes_away(breaker, clock)
    began = breaker.enter()
    with pytest.raises(StoreUnavailable):
        breaker.enter()
    clock.advance(10)
    breaker.failed(began)
    clock.advance(1.9)
    with pytest.raises(StoreUnavailable) as caught:
        breaker.enter()
    assert caught.value.about == {"after": 1}, "the rest has doubled"
    clock.advance(0.2)
    breaker.enter()
    breaker.answered()
    breaker.enter()
    breaker.enter()


class Overtaken(Breaker):
    """While one thread writes down that the server rests, another hears it answer."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_rest" and value:
            self.answered()
        super().__setattr__(name, value)


def test_an_answer_ends_a_rest_that_was_written_down_beside_another() -> None:
    clock = FakeClock()
    breaker = Overtaken(clock)
    goes_away(breaker, clock)
    breaker.enter()
    breaker.answered()
    breaker.enter()
    breaker.enter()


def test_failures_at_once_are_not_yet_an_outage() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    for _ in range(50):
        breaker.failed(breaker.enter())
    breaker.enter()


def test_an_answer_of_any_kind_means_that_the_store_is_there() -> None:
    stub = Stub()
    store = stub.store(patience=0)
    for _ in range(20):
        stub.answers = [refused(503, "SlowDown")]
        stub.clock.advance(1)
        with pytest.raises(StoreUnavailable):
            drive(head(store))
        assert not stub.answers


def test_large_bodies_are_sent_again_whole() -> None:
    part = Answer(etag='"' + "0" * 32 + '"', x_amz_server_side_encryption="aws:kms")
    again = Answer(etag='"' + "0" * 32 + '"', x_amz_server_side_encryption="aws:kms")
    started = Answer(body=b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    joined = Answer(body=b"<CompleteMultipartUploadResult><ETag>e-2</ETag></CompleteMultipartUploadResult>")
    stub = Stub(started, GONE, part, again, joined, found(9 * MIB, "e-2"))

    async def act(store: S3Store) -> Any:
        return await store.put(PLACE, in_blocks(b"x" * 9 * MIB), PutRules())

    assert stub.run(act).size == 9 * MIB
    assert [len(request.body or b"") for request in stub.asked[1:4]] == [8 * MIB, 8 * MIB, MIB]
