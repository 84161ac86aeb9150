"""What else was wrong with the Crowdbotics uploader: faults 3 to 7, each with a test that shows it is gone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.acceptance.served import Serve, Site, memory_settings, s3_settings
from tests.dialects.crowd import (
    EVERY_CALL,
    NOT_FOUND,
    B,
    Crowd,
    bucket_of,
    download,
    follow,
    link,
    nothing_leaks,
    one_sentence,
    remove,
    upload,
)
from tests.dialects.grounds import NO_ROUTE, only_asgi
from tests.servers.server import S3Server

from kist.errors import Misconfigured
from kist.settings import read_settings

LIMIT = 100_000


# Fault 3: names that are joined to a path

BAD_NAMES = ["../x", "a/../b", "/abs", "a//b", "a\\..\\b", "..", ".", "a\x1b", "x" * 1025, "\u202egnp.exe"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_would_leave_their_folder(crowd: Crowd, name: str) -> None:
    bucket = bucket_of(crowd.admin)
    before = crowd.saved()
    for answer in (download(crowd.admin, bucket, name), link(crowd.admin, bucket, name)):
        assert answer.status in (400, 404), answer.body
        nothing_leaks(answer)
    assert remove(crowd.admin, bucket, name, user="root").status in (204, 400)
    assert crowd.saved() == before
    assert not (crowd.folder.parent / "x").exists()


def test_a_folder_in_a_name_is_never_made(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.admin)
    crowd.plant(bucket, "folder/a.txt", b"1")
    crowd.plant(bucket, ".a.txt.part", b"1")
    before = crowd.saved()
    answer = download(crowd.admin, bucket, "folder/a.txt")
    assert (answer.status, len(answer.json)) == (400, 1)
    assert str(crowd.folder) not in answer.json[0]
    assert crowd.saved() == before


@pytest.mark.parametrize("name", ["..", ".", "", "a\x1b", "x" * 300, "folder/..", "\u202egnp.exe"])
def test_uploads_under_names_that_are_none(crowd: Crowd, name: str) -> None:
    bucket = bucket_of(crowd.ann)
    answer = upload(crowd.ann, bucket, name, b"1")
    assert answer.status == 400, answer.body
    assert crowd.objects(bucket) == 0


def test_nul_in_names(crowd: Crowd) -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a\0b"\r\n\r\n1\r\n--b--\r\n'
    asked = f"{B}/file/upload/"
    assert crowd.ann.call("POST", asked, body, content_type="multipart/form-data; boundary=b").status == 400
    answer = link(crowd.ann, crowd.base, "a\0b")
    assert (answer.status, answer.json) == (400, [{"file_name": ["Null characters are not allowed."]}])


@pytest.mark.parametrize(
    "name",
    ["\u65e5\u672c.txt", "\u05e9\u05dc\u05d5\u05dd", "gr\u00fc\u00dfe.txt", "x" * 255, 'a"b;c=d', "%2e%2e", "a b"],
)
def test_names_in_any_script(crowd: Crowd, name: str) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, name, b"1").status == 200
    assert follow(crowd.ann, link(crowd.ann, bucket, name)).body == b"1"
    if len(name) < 255:  # more than a file system takes beside what marks a file that is being written
        assert download(crowd.admin, bucket, name).json == f"{crowd.folder}/{name}"
        assert crowd.saved()[name] == b"1"
    assert remove(crowd.ann, bucket, name).status == 204
    assert link(crowd.ann, bucket, name).status == 404


def test_letters_composed_otherwise_are_the_same_name(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "u\u0308ber", b"1").status == 200
    for name in ("\u00fcber", "u\u0308ber"):
        assert follow(crowd.ann, link(crowd.ann, bucket, name)).body == b"1"
    assert remove(crowd.ann, bucket, "u\u0308ber").status == 204
    assert link(crowd.ann, bucket, "\u00fcber").status == 404


def test_nothing_is_written_unless_the_operator_says_where(tmp_path: Path, serve: Serve) -> None:
    with serve(memory_settings(tmp_path)) as site:
        assert upload(site.admin, site.settings.bucket, "a", b"1", user="root").status == 200
        answer = download(site.admin, site.settings.bucket, "a")
        assert answer.status == 409
        assert one_sentence(answer)
        assert download(site.ann, site.settings.bucket, "a").status == 403


def test_pages_of_other_sites_have_nothing_written(crowd: Crowd) -> None:
    assert upload(crowd.admin, crowd.base, "page", b"1", user="root").status == 200
    path = f"{B}/file/download/?" + urlencode({"file_name": "page", "bucket": crowd.base})
    for site in ("cross-site", "same-site"):
        assert crowd.admin.call("GET", path, sec_fetch_site=site).status == 403
    assert crowd.admin.call("HEAD", path).status == 405
    assert "page" not in crowd.saved()
    for site in ("same-origin", "none"):
        assert crowd.admin.call("GET", path, sec_fetch_site=site).status == 200


# Fault 4: wrong input is the caller's mistake, is said before anything is stored, and leaves nothing behind


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "This field may not be blank."),
        (None, "This field may not be null."),
        (True, "Not a valid string."),
        (1.5, "Not a valid string."),
        (["a"], "Not a valid string."),
        ({"a": 1}, "Not a valid string."),
        ("a\0b", "Null characters are not allowed."),
        ("a" * 206, "Ensure this field has no more than 205 characters."),
    ],
)
def test_values_of_the_wrong_kind(crowd: Crowd, value: Any, said: str) -> None:
    for method, path, others in (
        ("POST", "bucket/create", {}),
        ("DELETE", "bucket/remove", {"owner_id": "ann"}),
        ("DELETE", "file/remove", {"file_name": "a", "user_id": "ann"}),
        ("POST", "file/presigned/url", {"file_name": "a"}),
    ):
        answer = crowd.ann.call(method, f"{B}/{path}/", {"bucket": value, **others})
        assert (answer.status, answer.json) == (400, [{"bucket": [said]}])


def test_numbers_are_texts_as_well_and_further_fields_are_passed_over(crowd: Crowd) -> None:
    sent = {"file_name": 5, "bucket": crowd.base, "user_id": "ann", "more": [1], "owner": "bob"}
    assert crowd.ann.call("DELETE", f"{B}/file/remove/", sent).status == 204


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 50_000, b'{"bucket":"a","bucket":"b"}', b'"a"', b"[]", b"5"])
def test_bodies_that_are_no_fields(crowd: Crowd, body: bytes) -> None:
    answer = crowd.ann.call("POST", f"{B}/bucket/create/", body, content_type="application/json")
    assert (answer.status, len(answer.json)) == (400, 1)
    nothing_leaks(answer)


def test_bodies_of_other_types(crowd: Crowd) -> None:
    assert crowd.ann.call("POST", f"{B}/bucket/create/", b"<a/>", content_type="text/xml").status == 415
    answer = crowd.ann.call("POST", f"{B}/file/upload/", json.dumps({"bucket": crowd.base, "user_id": "ann"}).encode())
    assert answer.status == 415
    assert one_sentence(answer)


@pytest.mark.parametrize("early", [True, False], ids=["before the file", "after it"])
@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"user_id": "no such"}, 400),
        ({"user_id": ""}, 400),
        ({"user_id": "bob"}, 403),
        ({"bucket": ""}, 400),
        ({"bucket": "b" * 206}, 400),
        ({"bucket": "not-there"}, 404),
        ({"bucket": "../x"}, 404),
    ],
)
def test_a_refused_upload_leaves_nothing(crowd: Crowd, wrong: dict[str, str], status: int, early: bool) -> None:
    rows, objects = len(crowd.rows(crowd.ann)), crowd.objects(crowd.base)
    fields: list[tuple[str, Any]] = [*({"bucket": crowd.base, "user_id": "ann"} | wrong).items()]
    fields.insert(2 if early else 0, ("file", ("a", b"12345")))
    answer = crowd.ann.form("POST", f"{B}/file/upload/", fields)
    assert (answer.status, len(answer.json)) == (status, 1), answer.body
    if early:
        assert crowd.taken(crowd.base) == objects, "judged before a byte was taken"
    assert crowd.site.run(crowd.site.kist._ports.catalogue.usage("ann")).uploads == 0
    assert len(crowd.rows(crowd.ann)) == rows
    assert crowd.objects(crowd.base) == objects


# Fault 5: buckets in other regions


def test_buckets_are_made_in_any_region(tmp_path: Path, ministack: S3Server, serve: Serve) -> None:
    """That the location is sent is seen in tests/unit/s3; here, that an S3 server of another region takes it."""
    with serve(s3_settings(tmp_path, dataclasses.replace(ministack, region="eu-central-1"))) as site:
        bucket = bucket_of(site.ann)
        assert upload(site.ann, bucket, "a", b"1").status == 200
        assert follow(site.ann, link(site.ann, bucket, "a")).body == b"1"


# Fault 6: no limits


@pytest.mark.parametrize("seconds", ["0", "-1", "604801", "1e99", "9" * 30, "soon", "", "1.5", "\u0661"])
def test_how_long_a_url_may_live(crowd: Crowd, seconds: str) -> None:
    answer = link(crowd.ann, crowd.base, "a", expiration=seconds)
    assert (answer.status, list(answer.json[0])) == (400, ["expiration"])


@pytest.fixture
def small(tmp_path: Path, serve: Serve) -> Iterator[Site]:
    with serve(memory_settings(tmp_path, KIST_MAX_UPLOAD_SIZE=str(LIMIT))) as site:
        yield site


def test_uploads_have_a_limit_and_keep_their_type(small: Site) -> None:
    large = upload(small.ann, small.settings.bucket, "a", b"x" * (LIMIT + 1))
    assert large.status == 413
    assert one_sentence(large)
    assert upload(small.ann, small.settings.bucket, "a", b"x" * LIMIT, type="image/gif").status == 200
    (row,) = small.ann.call("GET", "/v1/files").json["items"]
    assert row["type"] == "image/gif"


def test_the_operator_may_cut_the_life_of_a_url(tmp_path: Path, rgw: S3Server, serve: Serve) -> None:
    with serve(s3_settings(tmp_path, rgw, KIST_LINK_LIFE="60", KIST_LINK_LIFE_MAX="60")) as site:
        assert upload(site.ann, site.settings.bucket, "a", b"1").status == 200
        assert "X-Amz-Expires=60&" in link(site.ann, site.settings.bucket, "a", expiration=3600).json


# Fault 7: what is told of the provider, and blank secrets


def test_nothing_of_the_provider_is_told(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "kept", b"1").status == 200
    for ask in EVERY_CALL.values():
        nothing_leaks(ask(crowd.ann, bucket, "ann"))
        nothing_leaks(ask(crowd.bob, bucket, "bob"))
    listed = crowd.ann.call("GET", f"{B}/bucket/list/").json
    assert listed["ResponseMetadata"]["HTTPHeaders"] == {}
    assert listed["ResponseMetadata"]["HostId"] == ""


def test_a_blank_secret_is_no_reason_to_look_elsewhere(tmp_path: Path) -> None:
    for secret in ({}, {"AWS_SECRET_ACCESS_KEY": ""}):
        with pytest.raises(Misconfigured):
            read_settings({"AWS_ACCESS_KEY_ID": "key", "S3_BUCKET_NAME": "b", **secret}, tmp_path)


def test_a_store_that_is_down(tmp_path: Path, rgw: S3Server, serve: Serve) -> None:
    gone = dataclasses.replace(rgw, endpoint="http://127.0.0.1:9")
    with serve(s3_settings(tmp_path, gone)) as site:
        base = site.settings.bucket
        for answer in (
            upload(site.ann, base, "a", b"1"),
            site.ann.call("POST", f"{B}/bucket/create/", {"bucket": "mine"}),
            link(site.admin, base, "raw"),
        ):
            assert answer.status == 503, answer.body
            assert "retry-after" in answer.headers
            assert one_sentence(answer)
            nothing_leaks(answer)
        assert site.ann.call("GET", f"{B}/bucket/list/").status == 200
        assert link(site.ann, base, "none").json == NOT_FOUND


def test_what_is_at_no_path_is_answered_in_the_same_shape(crowd: Crowd) -> None:
    only_asgi(crowd.site, NO_ROUTE)
    for path in (f"{B}/nothing/", f"{B}/bucket/list/more/", f"{B}//bucket/list/", f"{B}/buckets/a/files/%ff/download"):
        answer = crowd.ann.call("GET", path)
        assert answer.status in (400, 404)
        assert isinstance(answer.json, list)
    assert crowd.ann.call("GET", f"{B}/buckets/a/files/{quote('a/b', safe='')}/download/").status == 403
