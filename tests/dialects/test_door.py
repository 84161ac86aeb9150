"""The door answers what the disk store has signed as S3 would, and nothing that was not signed (T19 to T30)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.dialects.doorway import BUCKET, MINUTE, UP, Doorway, begun, listed_parts, md5_of, refused

from kist.drive import drive
from kist.model.content import PutRules
from kist.model.place import Place
from kist.stores.disk.signing import Signing
from kist.testing.ground import MIB, content, in_blocks


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 1])
def test_a_signed_put(doorway: Doorway, size: int) -> None:
    answer = doorway.send(doorway.put(content(size)), content(size))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == f'"{drive(doorway.store.head(UP)).etag}"'
    assert doorway.stored() == content(size)


def test_the_same_url_again_replaces(doorway: Doorway) -> None:
    signed = doorway.put()
    assert [doorway.send(signed, body).status for body in (b"hello", b"world")] == [200, 200]
    assert doorway.stored() == b"world"


def test_a_token_that_was_not_signed(doorway: Doorway) -> None:
    signed = doorway.put()
    stranger = Signing(b"s" * 32, doorway.client.url, doorway.clock)
    forged = stranger.request("PUT", UP, MINUTE, headers=signed.headers, query=(), since=None).url
    for url in (signed.url[:-1] + ("B" if signed.url[-1] != "B" else "C"), forged, signed.url + "A", signed.url[:-44]):
        assert refused(doorway.call("PUT", url, b"hello", content_type="text/plain"), 403, "SignatureDoesNotMatch")
    assert doorway.nothing()


def test_another_method_than_the_signed(doorway: Doorway) -> None:
    put, get = doorway.put(), doorway.store.sign("GET", UP, MINUTE)
    policy = dict(doorway.form().fields)["policy"]
    for method, url in (("GET", put.url), ("HEAD", put.url), ("PUT", get.url)):
        assert doorway.call(method, url).status == 403
    for method in ("PUT", "GET"):
        assert doorway.call(method, f"/door/{policy}", b"" if method == "PUT" else None).status == 403
    for method in ("DELETE", "POST", "PATCH"):
        assert refused(doorway.call(method, put.url, b""), 405, "MethodNotAllowed")
    token = urlsplit(put.url).path.rpartition("/")[2]
    assert refused(doorway.post(doorway.form(), b"hello", policy=token), 403, "AccessDenied")
    assert doorway.nothing()


def test_nothing_may_be_added_to_the_url(doorway: Doorway) -> None:
    drive(doorway.store.put(UP, in_blocks(b"hello"), PutRules()))
    signed = doorway.store.sign("GET", UP, MINUTE)
    assert refused(doorway.call("GET", f"{signed.url}?response-content-type=text/html"), 403, "SignatureDoesNotMatch")
    put = doorway.put()
    assert doorway.call("PUT", f"{put.url}?partNumber=1", b"hello", content_type="text/plain").status == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"content_type": "text/html"},
        {"content_type": "text/plain; charset=utf-8"},
        {"content_type": ""},
        {"x_amz_acl": "public-read"},
        {"x_amz_acl": ""},
        {"x_amz_copy_source": f"/{BUCKET}/secret"},
        {"x_amz_copy_source_range": "bytes=0-1"},
        {"x_amz_meta_e": "e"},
        {"x_amz_tagging": "a=b"},
    ],
)
def test_other_headers_than_the_signed(doorway: Doorway, changed: dict[str, str]) -> None:
    headers = [("content-type", "text/plain"), ("content-length", "5"), ("x-amz-acl", "private")]
    signed = doorway.put(headers=headers)
    assert refused(doorway.send(signed, b"hello", **changed), 403, "SignatureDoesNotMatch")
    assert doorway.nothing()
    assert doorway.send(signed, b"hello").status == 200


def test_another_size_than_the_signed(doorway: Doorway) -> None:
    signed = doorway.put(b"hello")
    for body in (b"", b"hell", b"hello!", content(2 * MIB)):
        assert refused(
            doorway.send(signed, body, content_length=str(len(body))), 403, "SignatureDoesNotMatch"
        )  # fmt: skip
    chunked = doorway.client.pool.request(
        "PUT", signed.url, body=iter([b"hello"]), headers={"content-type": "text/plain"}, chunked=True
    )
    assert (chunked.status, b"MissingContentLength" in chunked.data) == (411, True)
    assert doorway.nothing()


def test_a_body_that_is_cut_off(doorway: Doorway) -> None:
    for signed, sent in ((doorway.put(b"hello"), b"hel"), (doorway.put(content(3 * MIB)), content(2 * MIB))):
        connection = begun(signed, sent)
        connection.close()
    assert doorway.send(doorway.put(place=Place(BUCKET, "other")), b"hello").status == 200
    drive(doorway.store.erase(Place(BUCKET, "other")))
    assert doorway.nothing_soon()


@pytest.mark.parametrize("signs_it", [True, False])
def test_the_md5_is_checked(doorway: Doorway, signs_it: bool) -> None:
    headers = [("content-length", "5"), *([("content-md5", md5_of(b"hello"))] if signs_it else [])]
    signed = doorway.put(headers=headers)
    right = md5_of(b"hello")
    assert refused(doorway.send(signed, b"jello", content_md5=right), 400, "BadDigest")
    assert doorway.nothing()
    for wrong in (md5_of(b"jello"), "AAAA", "no base64!", "é"):
        answer = doorway.send(signed, b"hello", content_md5=wrong)
        assert refused(answer, *((403, "SignatureDoesNotMatch") if signs_it else (400, "BadDigest")))
    if signs_it:
        assert refused(doorway.send(signed, b"jello", content_md5=""), 403, "SignatureDoesNotMatch")
    assert doorway.nothing()
    assert doorway.send(signed, b"hello", content_md5=right).status == 200


def test_expired(doorway: Doorway) -> None:
    drive(doorway.store.put(Place(BUCKET, "there"), in_blocks(b"x"), PutRules()))
    put, form, get = doorway.put(), doorway.form(), doorway.store.sign("GET", Place(BUCKET, "there"), MINUTE)
    doorway.clock.advance(59)
    assert doorway.send(get).status == 200
    doorway.clock.advance(1)
    for answer in (doorway.send(put, b"hello"), doorway.post(form, b"hello"), doorway.send(get)):
        assert refused(answer, 403, "AccessDenied")
        assert b"<Message>Request has expired</Message>" in answer.body
    drive(doorway.store.erase(Place(BUCKET, "there")))
    assert doorway.nothing()


@pytest.mark.parametrize("size", [5, 3 * MIB])
@pytest.mark.parametrize("what", ["object", "part"])
def test_nothing_lands_after_the_expiry(doorway: Doorway, size: int, what: str) -> None:
    parts_id = drive(doorway.store.start_parts(UP, PutRules()))
    query = [("partNumber", "1"), ("uploadId", parts_id)] if what == "part" else []
    connection = begun(doorway.put(content(size), query=query), content(size)[:-1])
    assert doorway.send(doorway.put(place=Place(BUCKET, "other")), b"hello").status == 200  # the server has seen both
    doorway.clock.advance(61)
    connection.send(content(size)[-1:])
    answer = connection.getresponse()
    assert (answer.status, b"Request has expired" in answer.read()) == (403, True)
    connection.close()
    assert listed_parts(doorway, parts_id) == []
    drive(doorway.store.drop_parts(UP, parts_id))
    drive(doorway.store.erase(Place(BUCKET, "other")))
    assert doorway.nothing()
