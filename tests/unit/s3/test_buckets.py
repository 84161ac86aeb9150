"""Buckets and their CORS rules, as S3 sees them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.s3.stub import Answer, Stub, refused

from kist.errors import AlreadyThere, BadName, BucketMissing, BucketNotEmpty, Misconfigured, StoreRefused
from kist.model.content import CorsRule
from kist.stores.s3 import S3Store


async def make(store: S3Store) -> Any:
    await store.make_bucket("bucket")


def buckets_page(*names: str, following: str = "") -> Answer:
    listed = "".join(
        f"<Bucket><Name>{name}</Name><CreationDate>2026-01-01T12:00:00Z</CreationDate></Bucket>" for name in names
    )
    more = f"<ContinuationToken>{following}</ContinuationToken>" if following else ""
    return Answer(body=f"<ListAllMyBucketsResult><Buckets>{listed}</Buckets>{more}</ListAllMyBucketsResult>".encode())


def test_the_home_region_is_not_named() -> None:
    stub = Stub(Answer(404), Answer())
    stub.run(make)
    assert stub.lines == ["HEAD /bucket", "PUT /bucket"]
    assert stub.asked[1].body is None


def test_other_regions_are_named() -> None:
    stub = Stub(Answer(404), Answer())
    stub.run(make, region="eu-west-1")
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in bytes(stub.asked[1].body or b"")


def test_a_server_with_zones_of_its_own() -> None:
    stub = Stub(Answer(404), refused(400, "InvalidLocationConstraint"), Answer())
    stub.run(make, region="eu-west-1")
    assert stub.asked[2].body is None


def test_amazon_is_taken_at_its_word() -> None:
    with pytest.raises(Misconfigured, match="region"):
        Stub(Answer(404), refused(400, "InvalidLocationConstraint")).run(make, region="mars-1", endpoint=None)


@pytest.mark.parametrize(
    "answers",
    [
        [Answer()],
        [Answer(403), refused(409, "BucketAlreadyExists")],
        [Answer(404), refused(409, "BucketAlreadyOwnedByYou")],
        [Answer(301, x_amz_bucket_region="eu-west-1"), refused(409, "BucketAlreadyExists")],
    ],
    ids=range(4),
)
def test_a_bucket_that_exists(answers: list[Answer]) -> None:
    with pytest.raises(AlreadyThere):
        Stub(*answers).run(make)


def test_names_are_judged_before_anything_is_sent() -> None:
    for act in (lambda store: store.make_bucket("../x"), lambda store: store.drop_bucket("../x")):
        with pytest.raises(BadName):
            Stub().run(act)


@pytest.mark.parametrize(
    ("answer", "kind"), [(refused(409, "BucketNotEmpty"), BucketNotEmpty), (Answer(404), BucketMissing)]
)
def test_buckets_that_are_not_dropped(answer: Answer, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Stub(answer).run(lambda store: store.drop_bucket("bucket"))


def test_buckets_in_pages() -> None:
    stub = Stub(buckets_page("c", "a", following="t"), buckets_page("b"))
    assert [each.name for each in stub.run(lambda store: store.buckets())] == ["a", "b", "c"]
    assert stub.lines == ["GET /", "GET /?continuation-token=t"]


def test_buckets_that_repeat_themselves() -> None:
    with pytest.raises(StoreRefused, match="repeats"):
        Stub(buckets_page("a", following="t"), buckets_page("b", following="t")).run(lambda store: store.buckets())


def test_cors_rules_are_written_in_full() -> None:
    stub = Stub(Answer(), Answer(204))
    rule = CorsRule(origins=("http://a?b&c",), methods=("PUT",), headers=("*",), expose=("ETag",), max_age=5)

    async def act(store: S3Store) -> Any:
        await store.set_cors("bucket", [rule])
        await store.set_cors("bucket", [])

    stub.run(act)
    assert stub.lines == ["PUT /bucket?cors=", "DELETE /bucket?cors="]
    body = bytes(stub.asked[0].body or b"")
    assert b"<AllowedOrigin>http://a?b&amp;c</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>" in body
    assert b"<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>5<" in body
    assert "content-md5" in stub.asked[0].headers


def test_cors_rules_without_an_age() -> None:
    body = b"<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"
    (rule,) = Stub(Answer(body=body)).run(lambda store: store.cors("bucket"))
    assert rule == CorsRule(origins=("*",), methods=(), max_age=0)


def test_no_cors_rules() -> None:
    assert Stub(refused(404, "NoSuchCORSConfiguration")).run(lambda store: store.cors("bucket")) == ()
