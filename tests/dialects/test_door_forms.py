"""The door's forms, parts and downloads."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import urllib3
from tests.acceptance.served import Client
from tests.dialects.doorway import BUCKET, MINUTE, PAGE, UP, Doorway, begun, listed_parts, md5_of, refused, served

from kist.drive import drive
from kist.model.content import FormLimits, PutRules, SignedRequest
from kist.model.place import Place
from kist.stores.memory import MemoryStore
from kist.testing.clock import FakeIds
from kist.testing.ground import MIB, content, in_blocks


@pytest.mark.parametrize("size", [0, 1, 3 * MIB])
def test_a_signed_form(doorway: Doorway, size: int) -> None:
    answer = doorway.post(doorway.form(3 * MIB), content(size))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["etag"] == f'"{drive(doorway.store.head(UP)).etag}"'
    assert doorway.stored() == content(size)


@pytest.mark.parametrize(
    "changed",
    [
        {"key": ".kist/objects/other"},
        {"key": None},
        {"key": ""},
        {"Content_Type": "text/html"},
        {"Content_Type": None},
        {"acl": "public-read"},
        {"acl": None},
        {"policy": None},
        {"policy": ""},
        {"policy": "a.b"},
        {"x_amz_meta_e": "e"},
        {"success_action_redirect": "https://evil.example"},
        {"bucket": BUCKET},
        {"ACL": "private"},
    ],
)
def test_other_fields_than_the_signed(doorway: Doorway, changed: dict[str, str | None]) -> None:
    assert refused(doorway.post(doorway.form(), b"hello", **changed), 403, "AccessDenied")
    assert doorway.nothing()


def test_the_fields_of_another_form(doorway: Doorway) -> None:
    other = dict(doorway.form(place=Place(BUCKET, "other")).fields)
    assert refused(doorway.post(doorway.form(), b"hello", policy=other["policy"]), 403, "AccessDenied")
    assert doorway.nothing()


def test_a_field_twice(doorway: Doorway) -> None:
    form = doorway.form()
    sent = [*form.fields, ("acl", "private"), ("file", ("any.txt", b"hello", "text/plain"))]
    assert refused(doorway.client.form("POST", "/door", sent), 403, "AccessDenied")
    assert doorway.nothing()


@pytest.mark.parametrize(("size", "code"), [(1, "EntityTooSmall"), (0, "EntityTooSmall"), (11, "EntityTooLarge")])
def test_a_file_of_another_size(doorway: Doorway, size: int, code: str) -> None:
    assert refused(doorway.post(doorway.form(10, 2), content(size)), 400, code)
    assert doorway.nothing()


def test_a_file_that_is_much_too_large(doorway: Doorway) -> None:
    assert refused(doorway.post(doorway.form(2 * MIB), content(4 * MIB)), 400, "EntityTooLarge")
    assert doorway.nothing()


@pytest.mark.parametrize("size", [5, 3 * MIB])
def test_no_form_lands_after_the_expiry(doorway: Doorway, size: int) -> None:
    """All of the file is there in time, the end of the form is not."""
    form = doorway.form(size)
    body, kind = urllib3.encode_multipart_formdata([*form.fields, ("file", ("any.txt", content(size), "text/plain"))])
    signed = SignedRequest(
        method="POST",
        url=form.url,
        headers=(("content-type", kind), ("content-length", str(len(body)))),
        expires_at=form.expires_at,
    )
    connection = begun(signed, body[:-4])
    assert doorway.send(doorway.put(place=Place(BUCKET, "other")), b"hello").status == 200
    doorway.clock.advance(61)
    connection.send(body[-4:])
    answer = connection.getresponse()
    assert (answer.status, b"Request has expired" in answer.read()) == (403, True)
    connection.close()
    drive(doorway.store.erase(Place(BUCKET, "other")))
    assert doorway.nothing()


@pytest.mark.parametrize("after", ["acl", "file", "x-amz-meta-e"])
def test_something_behind_the_file(doorway: Doorway, after: str) -> None:
    for size in (5, 2 * MIB):
        form = doorway.form(2 * MIB)
        assert refused(doorway.post(form, content(size), after=[(after, ("x", b"x"))]), 400, "InvalidArgument")
        assert refused(doorway.post(form, content(size), after=[(after, "x")]), 400, "InvalidArgument")
    assert doorway.nothing()


def test_the_file_before_its_fields(doorway: Doorway) -> None:
    sent = [("file", ("any.txt", b"hello", "text/plain")), *doorway.form().fields]
    assert refused(doorway.client.form("POST", "/door", sent), 403, "AccessDenied")
    assert doorway.nothing()


def test_a_form_without_file_or_end(doorway: Doorway) -> None:
    form = doorway.form()
    assert refused(doorway.post(form), 400, "InvalidArgument")
    assert refused(doorway.call("POST", "/door", b"hello", content_type="text/plain"), 400, "InvalidArgument")
    body, kind = urllib3.encode_multipart_formdata([*form.fields, ("file", ("any.txt", b"hello", "text/plain"))])
    for cut in (3, len(b"hello") + 20):
        assert doorway.call("POST", "/door", body[:-cut], content_type=kind).status == 400
    assert refused(doorway.post(form, b"hello", Content_Type="x" * 70_000), 400, "EntityTooLarge")
    assert doorway.nothing()


def test_a_header_beside_the_form(doorway: Doorway) -> None:
    form = doorway.form()
    body, kind = urllib3.encode_multipart_formdata([*form.fields, ("file", ("any.txt", b"hello", "text/plain"))])
    answer = doorway.call("POST", "/door", body, content_type=kind, x_amz_copy_source="/door-bucket/secret")
    assert refused(answer, 403, "AccessDenied")
    assert doorway.nothing()


def test_parts_become_an_object(doorway: Doorway) -> None:
    parts_id = drive(doorway.store.start_parts(UP, PutRules()))
    bodies = [content(5 * MIB, 1), content(5 * MIB, 2), b"the end", b""]
    for number, body in enumerate(bodies, 1):
        query = [("partNumber", str(number)), ("uploadId", parts_id)]
        signed = doorway.put(query=query, headers=[("content-length", str(len(body))), ("content-md5", md5_of(body))])
        answer = doorway.send(signed, body)
        assert (answer.status, answer.headers["etag"]) == (200, f'"{listed_parts(doorway, parts_id)[-1].etag}"')
    drive(doorway.store.finish_parts(UP, parts_id, listed_parts(doorway, parts_id)))
    assert doorway.stored() == b"".join(bodies)


def test_a_part_is_that_part_only(doorway: Doorway) -> None:
    one, two = (drive(doorway.store.start_parts(UP, PutRules())) for _ in range(2))
    signed = doorway.put(query=[("partNumber", "1"), ("uploadId", one)])
    assert doorway.send(signed, b"hello").status == 200
    for url in (f"{signed.url}?partNumber=2", f"{signed.url}?partNumber=1&uploadId={two}"):
        assert refused(
            doorway.call("PUT", url, b"jello", content_type="text/plain"), 403, "SignatureDoesNotMatch"
        )  # fmt: skip
    for body in (b"hell", b"hello!"):
        assert doorway.send(signed, body, content_length=str(len(body))).status == 403
    for header in ("x_amz_copy_source", "x_amz_copy_source_range"):
        assert doorway.send(signed, b"jello", **{header: "/door-bucket/secret"}).status == 403
    assert refused(doorway.send(signed, b"jello", content_md5=md5_of(b"hello")), 400, "BadDigest")
    assert [(part.number, part.size) for part in listed_parts(doorway, one)] == [(1, 5)]
    assert listed_parts(doorway, two) == []
    drive(doorway.store.finish_parts(UP, one, listed_parts(doorway, one)))
    assert refused(doorway.send(signed, b"jello"), 404, "NoSuchUpload")
    assert doorway.stored() == b"hello"


@pytest.mark.parametrize("number", ["0", "10001", "-1", "1e3", "", "١", "99999999999"])
def test_numbers_that_no_part_has(doorway: Doorway, number: str) -> None:
    parts_id = drive(doorway.store.start_parts(UP, PutRules()))
    signed = doorway.put(query=[("partNumber", number), ("uploadId", parts_id)])
    assert doorway.send(signed, b"hello").status in (400, 403)
    assert listed_parts(doorway, parts_id) == []


@pytest.mark.parametrize("parts_id", ["", "0" * 32, "../other"])
def test_uploads_that_are_none(doorway: Doorway, parts_id: str) -> None:
    query = [("partNumber", "1"), ("uploadId", parts_id)]
    signed = doorway.put(query=query)
    assert refused(doorway.send(signed, b"hello"), 404, "NoSuchUpload")
    for half in (query[:1], query[1:]):
        assert doorway.send(doorway.put(query=half), b"hello").status in (403, 404), "a part or nothing"
    assert doorway.nothing()


def test_a_signed_get(doorway: Doorway) -> None:
    drive(doorway.store.put(UP, in_blocks(content(3 * MIB)), PutRules()))
    query = [("response-content-disposition", 'inline; filename="x y.txt"'), ("response-content-type", "text/plain")]
    signed = doorway.store.sign("GET", UP, MINUTE, query=query)
    answer = doorway.send(signed)
    assert (answer.status, answer.body) == (200, content(3 * MIB))
    assert answer.headers["content-disposition"] == 'inline; filename="x y.txt"'
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    plain = doorway.send(doorway.store.sign("GET", UP, MINUTE))
    assert plain.headers["content-type"] == "application/octet-stream"
    assert plain.headers["content-disposition"] == "attachment"
    head = doorway.call("HEAD", signed.url)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(3 * MIB))
    assert refused(doorway.send(doorway.store.sign("GET", Place(BUCKET, "none"), MINUTE)), 404, "NoSuchKey")


@pytest.mark.parametrize("text", ["a\r\nset-cookie: a=b", "é", "text/html\n"])
def test_no_header_can_be_smuggled(doorway: Doorway, text: str) -> None:
    drive(doorway.store.put(UP, in_blocks(b"hello"), PutRules()))
    query = [("response-content-disposition", text), ("response-content-type", text)]
    answer = doorway.send(doorway.store.sign("GET", UP, MINUTE, query=query))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.headers["content-disposition"] == "attachment"
    assert "set-cookie" not in answer.headers


def test_ranges_and_conditions(doorway: Doorway) -> None:
    drive(doorway.store.put(UP, in_blocks(b"0123456789"), PutRules()))
    signed = doorway.store.sign("GET", UP, MINUTE)
    etag = doorway.send(signed).headers["etag"]
    for asked, said, body in (
        ("2-4", "2-4", b"234"),
        ("7-", "7-9", b"789"),
        ("-2", "8-9", b"89"),
        ("0-99", "0-9", None),
    ):
        answer = doorway.send(signed, range=f"bytes={asked}")
        assert (answer.status, answer.headers["content-range"]) == (206, f"bytes {said}/10")
        assert answer.body == (body or b"0123456789")
    outside = doorway.send(signed, range="bytes=10-")
    assert refused(outside, 416, "InvalidRange")
    assert outside.headers["content-range"] == "bytes */10"
    assert doorway.send(signed, range="bytes=0-1", if_range='"other"').status == 200
    unchanged = doorway.send(signed, if_none_match=etag)
    assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", etag)
    assert refused(doorway.send(signed, if_match='"other"'), 412, "PreconditionFailed")


def test_an_empty_object(doorway: Doorway) -> None:
    drive(doorway.store.put(UP, in_blocks(b""), PutRules()))
    signed = doorway.store.sign("GET", UP, MINUTE)
    answer = doorway.send(signed)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert doorway.send(signed, range="bytes=0-0").status == 416


def test_a_page_may_send_what_was_signed(doorway: Doorway) -> None:
    signed = doorway.put()
    asked = {"access_control_request_method": "PUT", "access_control_request_headers": "content-type,content-md5"}
    for origin, allowed in ((PAGE, True), ("https://other.example", False)):
        answer = doorway.call("OPTIONS", signed.url, None, origin=origin, **asked)
        assert answer.status == 204
        assert ("access-control-allow-origin" in answer.headers) is allowed
        if allowed:
            assert "PUT" in answer.headers["access-control-allow-methods"]
            headers = answer.headers["access-control-allow-headers"].split(", ")
            assert {"content-type", "content-md5", "x-amz-acl"} <= set(headers)
    answer = doorway.send(signed, b"hello", origin=PAGE)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "etag" in answer.headers["access-control-expose-headers"]


def test_tokens_are_in_no_log(doorway: Doorway, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signed = doorway.put()
    token = urlsplit(signed.url).path.rpartition("/")[2]
    assert doorway.send(signed, b"hello").status == 200
    for method, status in (("OPTIONS", 204), ("DELETE", 405), ("GET", 403)):
        assert doorway.call(method, signed.url).status == status
    (tmp_path / "root").rename(tmp_path / "gone")
    assert refused(doorway.send(signed, b"hello"), 503, "ServiceUnavailable")
    assert "PUT /door/{token}: store_unavailable" in caplog.text
    assert token[:40] not in caplog.text


def test_errors_are_well_formed(doorway: Doorway) -> None:
    form = doorway.store.sign_form(UP, timedelta(minutes=1), FormLimits(max_size=5))
    answer = doorway.post(form, b"hello", **{"<&>": "x"})
    assert refused(answer, 403, "AccessDenied")
    assert b"Extra input fields: &lt;&amp;&gt;</Message>" in answer.body
    controls = doorway.post(form, b"hello", **{"a\0\x1b\ufffe": "x"})
    message = ElementTree.fromstring(controls.body).findtext("Message") or ""
    assert message.endswith("Extra input fields: a\ufffd\ufffd\ufffd")


def test_a_store_that_answers_nothing_itself() -> None:
    for url, _ in served(lambda url, clock: MemoryStore(clock, FakeIds())):
        for method, path in (("PUT", "/door/a.b"), ("GET", "/door/a.b")):
            assert refused(Client(url).call(method, path, b"" if method == "PUT" else None), 404, "NoSuchKey")
        sent = [("policy", "a.b"), ("file", ("any.txt", b"hello", "text/plain"))]
        assert refused(Client(url).form("POST", "/door", sent), 404, "NoSuchKey")
        assert json.loads(Client(url).call("GET", "/healthz").body)
