"""Each of S3's refusals becomes the right error, with a sentence that says what to do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.s3.stub import Answer, Stub, refused

from kist import errors
from kist.model.place import Place
from kist.stores.s3 import S3Store

PLACE = Place("bucket", "key")


async def read(store: S3Store) -> Any:
    return await store.open(PLACE)


async def head(store: S3Store) -> Any:
    return await store.head(PLACE)


def fails(act: Any, *answers: Answer | Exception, **changed: Any) -> errors.KistError:
    with pytest.raises(errors.KistError) as caught:
        Stub(*answers).run(act, **changed)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (404, "NoSuchKey", errors.ObjectMissing, "no such object"),
        (404, "NoSuchBucket", errors.ObjectMissing, "bucket/key"),
        (403, "AccessDenied", errors.StoreRefused, "right"),
        (403, "InvalidAccessKeyId", errors.StoreRefused, "KIST_S3_KEY"),
        (403, "SignatureDoesNotMatch", errors.StoreRefused, "KIST_S3_SECRET"),
        (400, "ExpiredToken", errors.StoreRefused, "KIST_S3_SESSION_TOKEN"),
        (400, "InvalidToken", errors.StoreRefused, "KIST_S3_SESSION_TOKEN"),
        (403, "", errors.StoreRefused, "right"),
        (400, "Unheard0f", errors.StoreRefused, "400, Unheard0f"),
        (418, "<b>", errors.StoreRefused, "418, without a reason"),
        (412, "PreconditionFailed", errors.Stale, "no longer"),
        (501, "NotImplemented", errors.Unsupported, "cannot"),
        (507, "", errors.StoreFull, "full"),
        (403, "QuotaExceeded", errors.StoreFull, "quota"),
        (413, "", errors.TooLarge, "size"),
    ],
)
def test_refusals(status: int, code: str, kind: type[errors.KistError], words: str) -> None:
    error = fails(read, refused(status, code.replace("<", "&lt;")))
    assert type(error) is kind
    assert words in error.message
    assert "secret" not in error.message.replace("KIST_S3_SECRET", "").replace("the secret", "")


def test_no_secret_of_the_request_is_told() -> None:
    error = fails(read, refused(403, "SignatureDoesNotMatch", "<StringToSign>AWS4 KEY</StringToSign>"))
    assert "KEY" not in error.message.replace("KIST_S3_KEY", "")
    assert error.about == {}


def test_a_wrong_clock_is_named_with_its_offset() -> None:
    error = fails(read, refused(403, "RequestTimeTooSkewed", date="Thu, 01 Jan 2026 12:20:00 GMT"))
    assert isinstance(error, errors.ClockSkew)
    assert error.about == {"offset": -1200}
    assert "1200 seconds behind" in error.message


def test_a_wrong_clock_is_named_without_a_body() -> None:
    error = fails(head, Answer(403, date="Thu, 01 Jan 2026 11:30:00 GMT"))
    assert isinstance(error, errors.ClockSkew)
    assert "1800 seconds ahead of" in error.message


@pytest.mark.parametrize("date", ["", "soon", "Thu, 01 Jan 2026 12:01:00 GMT"])
def test_a_wrong_clock_of_unknown_offset(date: str) -> None:
    assert isinstance(fails(read, refused(403, "RequestTimeTooSkewed", date=date)), errors.ClockSkew)
    assert type(fails(head, Answer(403, date=date))) is errors.StoreRefused


@pytest.mark.parametrize(
    "answer",
    [
        refused(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        Answer(301, x_amz_bucket_region="eu-west-1"),
        Answer(400, x_amz_bucket_region="eu-west-1"),
        refused(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1", location="http://elsewhere"),
    ],
)
def test_a_wrong_region_is_named(answer: Answer) -> None:
    error = fails(read, answer, region="us-west-2")
    assert isinstance(error, errors.Misconfigured)
    assert error.about == {"region": "eu-west-1"}
    assert "us-west-2" in error.message
    assert "region=eu-west-1" in error.message


def test_a_region_is_not_believed_when_it_is_none() -> None:
    assert type(fails(read, Answer(403, x_amz_bucket_region="us-east-1"))) is errors.StoreRefused
    assert "<script>" not in fails(read, Answer(400, x_amz_bucket_region="<script>")).message


def test_a_range_outside_names_the_size() -> None:
    error = fails(read, Answer(416, content_range="bytes */11"))
    assert isinstance(error, errors.BadRange)
    assert error.about == {"size": 11}


@pytest.mark.parametrize(
    "body",
    [
        b"<Error><Code>NoSuchKey",
        b"<!DOCTYPE x [<!ENTITY a 'NoSuchKey'>]><Error><Code>&a;</Code></Error>",
        b"<html>not found</html>",
        b"\x00\xff",
        b"",
    ],
)
def test_a_refusal_that_cannot_be_read_is_judged_by_its_status(body: bytes) -> None:
    assert isinstance(fails(read, Answer(404, body)), errors.ObjectMissing)


def test_an_endless_refusal_is_not_read_on() -> None:
    error = fails(read, Answer(403, [b"x" * (1 << 20)] * 12))
    assert isinstance(error, errors.StoreRefused)
    assert "10 MiB" in error.message


def test_a_bucket_that_is_missing() -> None:
    async def put(store: S3Store) -> Any:
        return await anext(store.list("bucket"))

    assert isinstance(fails(put, Answer(404)), errors.BucketMissing)
