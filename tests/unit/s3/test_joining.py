"""The end of a multipart upload, where servers lie most: the object itself is what counts."""

from __future__ import annotations

from hashlib import md5
from typing import Any

import pytest
from tests.unit.s3.stub import GONE, Answer, Stub, found, refused

from kist.errors import Corrupt, Incomplete, Invalid, StoreUnavailable, UploadMissing
from kist.model.content import PartRef
from kist.model.place import Place
from kist.stores.s3 import S3Store

PLACE = Place("bucket", "key")
DIGESTS = [md5(body).digest() for body in (b"one", b"second")]
PARTS = [PartRef(number=number, etag=digest.hex(), size=number * 10) for number, digest in enumerate(DIGESTS, 1)]
ETAG = f"{md5(b''.join(DIGESTS)).hexdigest()}-2"


def joined(etag: str) -> Answer:
    return Answer(body=f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>".encode())


def made() -> Answer:
    return found(30, ETAG)


def still_open() -> Answer:
    return Answer(body=b"<ListPartsResult></ListPartsResult>")


def finish(*answers: Answer | Exception) -> Any:
    stub = Stub(*answers)

    async def act(store: S3Store) -> Any:
        return await store.finish_parts(PLACE, "u", PARTS[::-1])

    result = stub.run(act)
    assert (result.size, result.etag) == (30, ETAG)
    return stub


def test_all_is_well() -> None:
    stub = finish(joined(f"&quot;{ETAG}&quot;"), made())
    assert stub.lines == ["POST /bucket/key?uploadId=u", "HEAD /bucket/key"]
    assert stub.asked[0].body.index(PARTS[0].etag.encode()) < stub.asked[0].body.index(PARTS[1].etag.encode())


def test_a_success_without_an_etag_is_looked_at() -> None:
    finish(joined(""), made())


def test_an_error_in_a_success_is_tried_again() -> None:
    bad = Answer(200, b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code></Error>")
    finish(bad, still_open(), Answer(404), joined(ETAG), made())


def test_an_error_after_the_fact_is_no_error() -> None:
    finish(refused(500, "InternalError"), refused(404, "NoSuchUpload"), made())


def test_an_answer_that_was_lost() -> None:
    finish(GONE, refused(404, "NoSuchUpload"), made())


def test_an_upload_that_a_lost_try_has_ended() -> None:
    finish(GONE, still_open(), Answer(404), refused(404, "NoSuchUpload"), made())


def test_an_object_that_shows_a_moment_later() -> None:
    finish(joined(ETAG), Answer(404), found(7, "old"), made())


@pytest.mark.parametrize("there", [Answer(404), found(30, "0" * 32), found(31, ETAG), found(30, "0" * 32 + "-2")])
def test_an_upload_that_was_dropped(there: Answer) -> None:
    with pytest.raises(UploadMissing):
        finish(refused(404, "NoSuchUpload"), there)


def test_a_store_that_never_says_what_happened() -> None:
    with pytest.raises(StoreUnavailable):
        finish(*[answer for _ in range(5) for answer in (refused(500, "InternalError"), still_open(), Answer(404))])


def test_an_object_of_another_size_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="29"):
        finish(joined(ETAG), found(29, ETAG))


def test_another_object_than_the_one_that_was_claimed() -> None:
    with pytest.raises(StoreUnavailable):
        finish(joined(ETAG), *[found(30, "other-2") for _ in range(5)])


def test_a_part_that_is_not_there() -> None:
    with pytest.raises(Incomplete):
        finish(refused(400, "InvalidPart"))


def test_etags_that_are_no_checksums() -> None:
    stub = Stub(GONE, refused(404, "NoSuchUpload"), found(30, "opaque-2"))
    parts = [PartRef(number=number, etag=f"part{number}", size=15) for number in (1, 2)]

    async def act(store: S3Store) -> Any:
        return await store.finish_parts(PLACE, "u", parts)

    assert stub.run(act).etag == "opaque-2"


def test_nothing_to_join() -> None:
    async def act(store: S3Store) -> Any:
        return await store.finish_parts(PLACE, "u", [])

    with pytest.raises(Invalid):
        Stub().run(act)
