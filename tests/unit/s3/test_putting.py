"""Putting, copying and erasing, as S3 sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.s3.stub import GONE, MD5_OF_HELLO, Answer, Stub, found, refused

from kist.drive import drive
from kist.errors import Corrupt, Incomplete, Invalid, KistError, StoreRefused, StoreUnavailable, TooLarge
from kist.model.content import PutRules
from kist.model.place import Place
from kist.stores.s3 import S3Store, putting
from kist.stores.s3.putting import PART, Blocks, part_size
from kist.testing.ground import MIB, BodyFailed, failing, in_blocks

PLACE = Place("bucket", "key")
STARTED = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"


def put(*answers: Answer | Exception, data: bytes = b"hello", rules: PutRules | None = None) -> Any:
    stub = Stub(*answers)

    async def act(store: S3Store) -> Any:
        return await store.put(PLACE, in_blocks(data), rules or PutRules())

    return stub.run(act), stub


def test_one_request_with_a_checksum() -> None:
    stored, stub = put(Answer(etag=f'"{MD5_OF_HELLO}"'), rules=PutRules(type="text/plain", size=5))
    assert (stored.size, stored.etag, stored.type) == (5, MD5_OF_HELLO, "text/plain")
    (request,) = stub.asked
    assert request.headers["content-md5"] == "XUFAKrxLKna5cZ2REBfFkg=="
    assert "content-md5;content-type;host;" in request.headers["authorization"]
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


def test_an_etag_of_other_bytes_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        put(Answer(etag='"' + "0" * 32 + '"'))


def test_an_etag_that_is_no_checksum() -> None:
    for answer in (Answer(etag="opaque"), Answer(etag="0" * 32, x_amz_server_side_encryption="aws:kms")):
        assert put(answer)[0].etag == answer.headers["etag"]


def test_a_success_without_etag_is_looked_at() -> None:
    assert put(Answer(), found(5, MD5_OF_HELLO))[0].etag == MD5_OF_HELLO
    with pytest.raises(Corrupt):
        put(Answer(), found(4, MD5_OF_HELLO))
    with pytest.raises(Corrupt):
        put(Answer(), found(5, "0" * 32))


def test_an_error_in_a_success() -> None:
    with pytest.raises(StoreRefused):
        put(Answer(200, b"<Error><Code>AccessDenied</Code></Error>"))


@pytest.mark.parametrize("type_", ["", " ", "text/plain\r\nx-evil: 1", "text/plaïn"])
def test_a_type_that_cannot_stand_in_a_header(type_: str) -> None:
    with pytest.raises(Invalid):
        put(rules=PutRules(type=type_))


def test_a_failing_body_leaves_nothing() -> None:
    def act(data: bytes) -> Any:
        async def failing_put(store: S3Store) -> Any:
            await store.put(PLACE, failing(data, BodyFailed()), PutRules())

        return failing_put

    with pytest.raises(BodyFailed):
        Stub().run(act(b"hello"))
    part = Answer(etag="opaque")
    stub = Stub(Answer(body=STARTED), part, Answer(204))
    with pytest.raises(BodyFailed):
        stub.run(act(b"x" * 9 * MIB))
    assert stub.lines[-1] == "DELETE /bucket/key?uploadId=u"


def test_what_went_wrong_is_told_even_when_dropping_fails() -> None:
    stub = Stub(Answer(body=STARTED), refused(403, "AccessDenied"), refused(500, "InternalError"), *[GONE] * 4)
    with pytest.raises(StoreRefused, match="right"):
        stub.run(lambda store: store.put(PLACE, in_blocks(b"x" * 9 * MIB), PutRules()), patience=1000)


def test_more_parts_than_s3_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(putting, "MAX_PARTS", 1)
    with pytest.raises(TooLarge):
        put(Answer(body=STARTED), Answer(etag="opaque"), Answer(204), data=b"x" * 9 * MIB)


def test_the_largest_object_fits_into_10000_parts() -> None:
    sizes = [part_size(number) for number in range(1, 10_001)]
    assert (sizes[0], sizes[999], sizes[1000], sizes[2000]) == (PART, PART, 2 * PART, 4 * PART)
    assert sum(sizes) > 5 * 1024**4
    assert max(sizes) <= 5 * 1024**3


@given(st.lists(st.binary(max_size=20), max_size=12), st.integers(1, 12))
def test_blocks_are_cut_exactly(chunks: list[bytes], size: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def cut() -> list[bytes]:
        blocks = Blocks(body(), None)
        taken = []
        while not blocks.ended:
            await blocks.fill(size)
            taken.append(bytes(blocks.take()))
        return taken

    taken, data = drive(cut()), b"".join(chunks)
    assert taken == ([data[start : start + size] for start in range(0, len(data), size)] or [b""])


@given(st.lists(st.binary(max_size=9), max_size=6), st.integers(0, 60))
def test_other_sizes_than_declared_are_found_out(chunks: list[bytes], declared: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def cut() -> None:
        blocks = Blocks(body(), declared)
        while not blocks.ended:
            await blocks.fill(10)

    if sum(map(len, chunks)) == declared:
        drive(cut())
    else:
        with pytest.raises(Incomplete):
            drive(cut())


def erase(*answers: Answer | Exception, keys: list[str]) -> list[str]:
    stub = Stub(*answers)

    async def act(store: S3Store) -> None:
        await store.erase(*[Place("bucket", key) for key in keys])

    stub.run(act)
    return [*stub.lines, *[str(bytes(request.body or b"").count(b"<Key>")) for request in stub.asked]]


def test_erasing_in_batches() -> None:
    done = Answer(body=b"<DeleteResult/>")
    assert erase(Answer(204), keys=["a", "a"]) == ["DELETE /bucket/a", "0"]
    many = [f"k{number}" for number in range(1001)]
    assert erase(done, Answer(body=b"<DeleteResult/>"), keys=many) == ["POST /bucket?delete="] * 2 + ["1000", "1"]
    odd = ["a", "b\uffff", "c"]
    assert erase(Answer(204), Answer(body=b"<DeleteResult/>"), keys=odd)[1:] == ["POST /bucket?delete=", "0", "2"]
    assert erase(refused(404, "NoSuchBucket"), keys=["a", "b"])[0] == "POST /bucket?delete="
    assert erase(keys=[]) == []


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDenied", StoreRefused), ("InternalError", StoreUnavailable), ("NoSuchKey", None)]
)
def test_keys_that_could_not_be_erased(code: str, kind: type[KistError] | None) -> None:
    answer = Answer(body=f"<DeleteResult><Error><Key>a</Key><Code>{code}</Code></Error></DeleteResult>".encode())
    if kind is None:
        erase(answer, keys=["a", "b"])
    else:
        with pytest.raises(kind):
            erase(answer, keys=["a", "b"])


UPLOADS = (
    b"<ListMultipartUploadsResult><Upload><Key>key</Key><UploadId>u1</UploadId><Initiated>2026-01-01T12:00:00Z"
    b"</Initiated></Upload><Upload><Key>key2</Key><UploadId>u2</UploadId><Initiated>2026-01-01T12:00:00Z</Initiated>"
    b"</Upload></ListMultipartUploadsResult>"
)
NO_UPLOADS = b"<ListMultipartUploadsResult/>"


def test_clearing_drops_what_has_this_key_only() -> None:
    stub = Stub(Answer(body=UPLOADS), Answer(204), Answer(body=NO_UPLOADS))
    stub.run(lambda store: store.clear(PLACE))
    assert stub.lines[1] == "DELETE /bucket/key?uploadId=u1"


def test_an_upload_that_will_not_go() -> None:
    rounds = [answer for _ in range(4) for answer in (Answer(body=UPLOADS), Answer(204))]
    with pytest.raises(StoreUnavailable, match="still there"):
        Stub(*rounds, Answer(body=b"<ListPartsResult/>")).run(lambda store: store.clear(PLACE))


def test_an_upload_that_is_only_listed() -> None:
    rounds = [answer for _ in range(4) for answer in (Answer(body=UPLOADS), Answer(204))]
    Stub(*rounds, refused(404, "NoSuchUpload")).run(lambda store: store.clear(PLACE))


def copy(*answers: Answer | Exception) -> Any:
    stub = Stub(*answers)
    return stub.run(lambda store: store.copy(Place("bucket", "a ü"), PLACE, PutRules(type="a/b"))), stub


def copied(etag: str) -> Answer:
    return Answer(body=f"<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>".encode())


def test_copying_keeps_nothing_but_the_type() -> None:
    stored, stub = copy(found(5, "e"), copied("e"), found(5, "e"))
    assert (stored.place, stored.size) == (PLACE, 5)
    headers = stub.asked[1].headers
    assert headers["x-amz-copy-source"] == "/bucket/a%20%C3%BC"
    assert headers["x-amz-copy-source-if-match"] == '"e"'
    assert headers["x-amz-metadata-directive"] == "REPLACE"
    assert headers["content-type"] == "a/b"


@pytest.mark.parametrize(
    "answers",
    [
        [refused(412, "PreconditionFailed")],
        [copied("f"), found(5, "e")],
        [copied(""), found(6, "e")],
        [copied("e"), Answer(404)],
    ],
    ids=range(4),
)
def test_a_source_that_changes_meanwhile(answers: list[Answer]) -> None:
    with pytest.raises(StoreUnavailable, match="changed"):
        copy(found(5, "e"), *answers)


def test_a_copy_that_fails_in_a_success() -> None:
    bad = Answer(200, b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(StoreRefused):
        copy(found(5, "e"), bad)
