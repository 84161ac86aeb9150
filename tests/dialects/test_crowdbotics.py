"""The contract of the Crowdbotics S3 File Uploader as scenarios: what its clients send, and what they get."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from tests.dialects.crowd import (
    MODULE,
    NO_SUCH_BUCKET,
    NOT_FOUND,
    REQUIRED,
    B,
    Crowd,
    bucket_of,
    download,
    follow,
    link,
    remove,
    upload,
)

URLENCODED = "application/x-www-form-urlencoded"


def metadata(status: int) -> dict[str, object]:
    """What boto3 says of a call, with Kist's own values; ``RequestId`` is looked at apart."""
    return {"HostId": "", "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}


# 1.1 Where it is mounted, and what it reads


def test_the_root_of_the_module_lists_nothing(crowd: Crowd) -> None:
    asgi = crowd.site.host == "asgi"  # where Django includes URLs is the project's
    for path in (f"{MODULE}/", *((MODULE,) if asgi else ())):
        answer = crowd.site.nobody.call("GET", path)
        assert (answer.status, answer.json) == (200, {})


def test_every_path_with_its_slash_and_without(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    fields = [("file", ("a", b"1")), ("bucket", bucket), ("user_id", "ann")]
    asked = urlencode({"file_name": "a", "bucket": bucket})
    for slash in ("/", ""):
        name = f"crowd-{uuid.uuid4().hex[:12]}"
        ann = crowd.ann
        assert ann.call("GET", f"{B}/bucket/list{slash}").status == 200
        assert ann.call("POST", f"{B}/bucket/create{slash}", {"bucket": name}).status == 201
        assert ann.call("DELETE", f"{B}/bucket/remove{slash}", {"bucket": name, "owner_id": "ann"}).status == 200
        assert ann.form("POST", f"{B}/file/upload{slash}", fields).status == 200
        assert ann.call("GET", f"{B}/file/presigned/url{slash}?{asked}").status == 200
        assert crowd.admin.call("GET", f"{B}/file/download{slash}?{asked}").status == 200
        sent = {"file_name": "a", "bucket": bucket, "user_id": "ann"}
        assert ann.call("DELETE", f"{B}/file/remove{slash}", sent).status == 204


def test_bodies_are_json_or_a_form_of_either_kind(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    sent = {"file_name": "a.txt", "bucket": bucket, "user_id": "ann"}
    path = f"{B}/file/remove/"
    for answer in (
        crowd.ann.call("DELETE", path, sent),
        crowd.ann.call("DELETE", path, urlencode(sent), content_type=URLENCODED),
        crowd.ann.form("DELETE", path, sent),
    ):
        assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "bucket/list"),
        ("GET", "bucket/create"),
        ("POST", "bucket/remove"),
        ("PUT", "file/upload"),
        ("POST", "file/download"),
        ("GET", "file/remove"),
        ("DELETE", "file/presigned/url"),
    ],
)
def test_another_method_is_405(crowd: Crowd, method: str, path: str) -> None:
    answer = crowd.ann.call(method, f"{B}/{path}/")
    assert answer.status == 405
    assert "allow" in answer.headers
    assert answer.json == {"detail": f'Method "{method}" not allowed.'}


# 1.2 The buckets


def test_the_list_of_buckets_is_the_dictionary_of_boto3(crowd: Crowd) -> None:
    mine, other = bucket_of(crowd.bob), bucket_of(crowd.ann)
    answer = crowd.bob.call("GET", f"{B}/bucket/list/")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert list(answer.json) == ["ResponseMetadata", "Buckets", "Owner"]
    about = answer.json["ResponseMetadata"]
    assert uuid.UUID(about.pop("RequestId"))
    assert about == metadata(200)
    assert answer.json["Owner"] == {"DisplayName": "bob", "ID": "bob"}
    listed = {bucket["Name"]: bucket for bucket in answer.json["Buckets"]}
    assert mine in listed
    assert other not in listed
    assert set(listed[mine]) == {"Name", "CreationDate"}
    assert listed[mine]["CreationDate"].endswith("Z")
    assert datetime.fromisoformat(listed[mine]["CreationDate"]).utcoffset() == timedelta()


def test_an_admin_sees_all_buckets(crowd: Crowd) -> None:
    mine = bucket_of(crowd.ann)
    names = {bucket["Name"] for bucket in crowd.admin.call("GET", f"{B}/bucket/list/").json["Buckets"]}
    assert {mine, crowd.base} <= names


@pytest.mark.parametrize("field", ["bucket", "bucket_name"])
def test_a_bucket_is_made(crowd: Crowd, field: str) -> None:
    """``bucket_name`` is what the later API calls it."""
    name = f"crowd-{uuid.uuid4().hex[:12]}"
    answer = crowd.ann.call("POST", f"{B}/bucket/create/", {field: name})
    assert (answer.status, list(answer.json)) == (201, ["ResponseMetadata", "Location"])
    assert answer.json["Location"] == f"/{name}"
    about = answer.json["ResponseMetadata"]
    assert uuid.UUID(about.pop("RequestId"))
    assert about == metadata(200)


def test_a_bucket_is_removed(crowd: Crowd) -> None:
    name = bucket_of(crowd.ann)
    answer = crowd.ann.call("DELETE", f"{B}/bucket/remove/", {"bucket": name, "owner_id": "ann"})
    assert (answer.status, list(answer.json)) == (200, ["ResponseMetadata"])
    about = answer.json["ResponseMetadata"]
    assert uuid.UUID(about.pop("RequestId"))
    assert about == metadata(204)
    assert name not in {bucket["Name"] for bucket in crowd.ann.call("GET", f"{B}/bucket/list/").json["Buckets"]}


def test_what_s3_says_of_buckets(crowd: Crowd) -> None:
    name = bucket_of(crowd.ann)
    twice = crowd.bob.call("POST", f"{B}/bucket/create/", {"bucket": name})
    assert twice.status == 409
    assert twice.json[0].startswith("An error occurred (BucketAlreadyExists) when calling the CreateBucket operation: ")
    for bad in ("Ab", "a", "a_b", "../x", "a" * 64, "a.b"):
        invalid = crowd.ann.call("POST", f"{B}/bucket/create/", {"bucket": bad})
        assert invalid.status == 400, bad
        assert invalid.json[0].startswith("An error occurred (InvalidBucketName) when calling the CreateBucket operat")
    absent = crowd.ann.call("DELETE", f"{B}/bucket/remove/", {"bucket": "not-there", "owner_id": "ann"})
    assert (absent.status, absent.json) == (404, [NO_SUCH_BUCKET.format("DeleteBucket")])
    assert upload(crowd.ann, name, "a", b"1").status == 200
    full = crowd.ann.call("DELETE", f"{B}/bucket/remove/", {"bucket": name, "owner_id": "ann"})
    assert (full.status, len(full.json)) == (409, 1)
    assert full.json[0].startswith("An error occurred (BucketNotEmpty) when calling the DeleteBucket operation: ")


# 1.2 and 1.5 Upload


def test_an_upload_answers_200_with_nothing(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    answer = upload(crowd.ann, bucket, "photo.png", b"\x89PNG", type="image/png")
    assert (answer.status, answer.body) == (200, b"")
    assert "content-type" not in answer.headers
    (row,) = [row for row in crowd.rows(crowd.ann) if row["bucket"] == bucket]
    assert (row["name"], row["owner"], row["size"], row["type"]) == ("photo.png", "ann", 4, "image/png")
    read = follow(crowd.ann, link(crowd.ann, bucket, "photo.png"))
    assert (read.status, read.body, read.headers["content-type"]) == (200, b"\x89PNG", "image/png")


@pytest.mark.parametrize("order", ["bucket user_id file", "bucket file user_id", "user_id file bucket", "file bucket"])
def test_the_fields_come_in_any_order(crowd: Crowd, order: str) -> None:
    bucket = bucket_of(crowd.ann)
    values = {"file": ("a.bin", b"12345", "image/gif"), "bucket": bucket, "user_id": "ann"}
    wanted = order.split() if "user_id" in order else [*order.split(), "user_id"]
    answer = crowd.ann.form("POST", f"{B}/file/upload/", [(name, values[name]) for name in wanted])
    assert (answer.status, answer.body) == (200, b"")
    (row,) = [row for row in crowd.rows(crowd.ann) if row["bucket"] == bucket]
    assert (row["name"], row["owner"], row["size"], row["type"]) == ("a.bin", "ann", 5, "image/gif")
    assert follow(crowd.ann, link(crowd.ann, bucket, "a.bin")).body == b"12345"
    assert crowd.site.run(crowd.site.kist._ports.catalogue.usage("ann")).uploads == 0


@pytest.mark.parametrize("size", [(8 << 20) + 1, 17 << 20])
def test_a_large_file_before_its_fields(crowd: Crowd, size: int) -> None:
    bucket, body = bucket_of(crowd.ann), bytes(range(256)) * (size // 256) + b"!" * (size % 256)
    assert upload(crowd.ann, bucket, "large", body).status == 200
    assert follow(crowd.ann, link(crowd.ann, bucket, "large")).body == body


def test_a_file_of_no_bytes(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "empty", b"").status == 200
    assert follow(crowd.ann, link(crowd.ann, bucket, "empty")).body == b""


def test_the_name_is_the_base_name(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    for sent, kept in (("folder/a.txt", "a.txt"), ("C:\\photos\\b.txt", "b.txt"), ("../../c.txt", "c.txt")):
        assert upload(crowd.ann, bucket, sent, sent.encode()).status == 200
        assert follow(crowd.ann, link(crowd.ann, bucket, kept)).body == sent.encode()


def test_the_same_name_again_gives_the_newest_and_is_removed_whole(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    for body in (b"old", b"new"):
        assert upload(crowd.ann, bucket, "a", body).status == 200
    assert len([row for row in crowd.rows(crowd.ann) if row["bucket"] == bucket]) == 2
    assert follow(crowd.ann, link(crowd.ann, bucket, "a")).body == b"new"
    assert remove(crowd.ann, bucket, "a").status == 204
    assert link(crowd.ann, bucket, "a").status == 404
    assert [row for row in crowd.rows(crowd.ann) if row["bucket"] == bucket] == []


def test_an_upload_into_no_bucket(crowd: Crowd) -> None:
    for fields in (("file", "bucket", "user_id"), ("bucket", "user_id", "file")):
        values = {"file": ("a", b"1"), "bucket": "not-there", "user_id": "ann"}
        answer = crowd.ann.form("POST", f"{B}/file/upload/", [(name, values[name]) for name in fields])
        assert (answer.status, answer.json) == (404, [NO_SUCH_BUCKET.format("PutObject")])


# 1.2 and 1.5 Download


def test_a_download_is_written_and_its_path_is_answered(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    for body in (b"first", b"second"):
        assert upload(crowd.ann, bucket, "d.txt", body).status == 200
        answer = download(crowd.admin, bucket, "d.txt")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json == f"{crowd.folder}/d.txt"
        assert crowd.saved()["d.txt"] == body


def test_an_object_without_a_row_is_downloaded_too(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    crowd.plant(bucket, "raw.txt", b"raw")
    assert download(crowd.admin, bucket, "raw.txt").json == f"{crowd.folder}/raw.txt"
    assert crowd.saved()["raw.txt"] == b"raw"


def test_what_s3_says_of_a_download(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    for answer in (download(crowd.admin, bucket, "none"), download(crowd.admin, "not-there", "none")):
        assert (answer.status, answer.json) == (404, NOT_FOUND)


# 1.2 and 1.5 Remove


def test_a_file_is_removed_also_when_it_never_was(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "r", b"1").status == 200
    for _ in range(2):
        answer = remove(crowd.ann, bucket, "r")
        assert (answer.status, answer.body) == (204, b"")
        assert link(crowd.ann, bucket, "r").status == 404
    gone = remove(crowd.ann, "not-there", "r")
    assert (gone.status, gone.json) == (404, [NO_SUCH_BUCKET.format("DeleteObject")])


def test_an_object_without_a_row_is_removed_too(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    crowd.plant(bucket, "folder/raw.txt", b"raw")
    assert remove(crowd.ann, bucket, "folder/raw.txt").status == 204
    assert crowd.objects(bucket) == 0


# 1.2 and 1.5 Presigned URLs


def test_a_presigned_url_is_a_bare_string_that_lives_an_hour(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "p.txt", b"content").status == 200
    answer = link(crowd.ann, bucket, "p.txt")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert follow(crowd.ann, answer).body == b"content"
    if crowd.site.settings.store.startswith("s3:"):  # the disk store signs tokens of its own
        query = parse_qs(urlsplit(answer.json).query)
        assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["3600"])
        asked = parse_qs(urlsplit(link(crowd.ann, bucket, "p.txt", expiration=60).json).query)
        assert asked["X-Amz-Expires"] == ["60"]


def test_a_url_shows_pictures_in_place_and_nothing_that_could_run(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    png, page = b"\x89PNG\r\n\x1a\n" + b"\0" * 20, b"<script>alert(1)</script>"
    for name, body, kind, shown in (
        ("p.png", png, "image/png", "inline"),
        ("p.html", page, "text/html", "attachment"),
    ):
        assert upload(crowd.ann, bucket, name, body, type=kind).status == 200
        read = follow(crowd.ann, link(crowd.ann, bucket, name))
        assert read.headers["content-type"] == kind
        assert read.headers["content-disposition"].startswith(shown)


def test_a_presigned_url_by_the_later_post(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "p.txt", b"content").status == 200
    sent = {"file_name": "p.txt", "bucket": bucket}
    for expiration in ({}, {"expiration": 60}, {"expiration": "60"}):
        assert follow(crowd.ann, crowd.ann.call("POST", f"{B}/file/presigned/url/", sent | expiration)).status == 200


def test_a_presigned_url_of_an_object_without_a_row(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    crowd.plant(bucket, "folder/raw.txt", b"raw")
    for client in (crowd.ann, crowd.admin):
        assert follow(client, link(client, bucket, "folder/raw.txt")).body == b"raw"
    assert (link(crowd.bob, bucket, "folder/raw.txt").json) == NOT_FOUND


# 1.2 Errors of form


def test_fields_that_are_missing(crowd: Crowd) -> None:
    ann, admin = crowd.ann, crowd.admin
    three = {"file_name": REQUIRED, "bucket": REQUIRED, "user_id": REQUIRED}
    for answer, wrong in (
        (ann.call("POST", f"{B}/bucket/create/", {}), {"bucket": REQUIRED}),
        (ann.call("POST", f"{B}/bucket/create/"), {"bucket": REQUIRED}),
        (ann.call("DELETE", f"{B}/bucket/remove/", {}), {"bucket": REQUIRED, "owner_id": REQUIRED}),
        (ann.form("POST", f"{B}/file/upload/", {"file": ("a", b"1")}), {"bucket": REQUIRED, "user_id": REQUIRED}),
        (admin.call("GET", f"{B}/file/download/"), {"file_name": REQUIRED, "bucket": REQUIRED}),
        (ann.call("DELETE", f"{B}/file/remove/", {}), three),
        (ann.call("GET", f"{B}/file/presigned/url/"), {"file_name": REQUIRED, "bucket": REQUIRED}),
    ):
        assert (answer.status, answer.json) == (400, [wrong])


def test_a_form_without_its_file(crowd: Crowd) -> None:
    answer = crowd.ann.form("POST", f"{B}/file/upload/", {"bucket": crowd.base, "user_id": "ann"})
    assert (answer.status, answer.json) == (400, ["file"])


def test_values_that_are_wrong(crowd: Crowd) -> None:
    none = upload(crowd.admin, crowd.base, "a", b"1", user="no such user")
    assert (none.status, none.json) == (400, [{"user_id": ['Invalid pk "no such user" - object does not exist.']}])
    number = link(crowd.ann, crowd.base, "a", expiration="soon")
    assert (number.status, number.json) == (400, [{"expiration": ["A valid integer is required."]}])
    long = upload(crowd.ann, "b" * 206, "a", b"1")
    assert (long.status, long.json) == (400, [{"bucket": ["Ensure this field has no more than 205 characters."]}])


# 1.3 The later paths


def test_the_later_paths(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    name = "sp ace/\u65e5\u672c.txt" if crowd.site.host == "asgi" else "\u65e5\u672c.txt"  # Django decodes, then routes
    crowd.plant(bucket, "plain.txt", b"1")
    crowd.plant(bucket, name, b"2")
    saved = crowd.admin.call("GET", f"{B}/buckets/{bucket}/files/plain.txt/download/")
    assert (saved.status, saved.json) == (200, f"{crowd.folder}/plain.txt")
    for each in ("plain.txt", name):
        path = f"{B}/users/ann/buckets/{bucket}/files/{quote(each, safe='')}/remove/"
        answer = crowd.ann.call("DELETE", path)
        assert (answer.status, answer.body) == (204, b"")
    assert crowd.objects(bucket) == 0
    removed = crowd.ann.call("DELETE", f"{B}/owners/ann/buckets/{bucket}/remove/")
    assert (removed.status, removed.body) == (204, b"")
