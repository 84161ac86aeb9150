"""The native API's files on every store: what a client sends and what it gets, through every door."""

from __future__ import annotations

import base64
from hashlib import md5, sha256

import pytest
from tests.acceptance.served import Site

BODY = bytes(range(256)) * 40


@pytest.mark.parametrize("size", [0, 1, 5_000, (8 << 20) + 1])
def test_a_raw_body_comes_back_as_it_was(stored: Site, size: int) -> None:
    body = (BODY * (size // len(BODY) + 1))[:size]
    made = stored.ann.put("ordner/gr\u00fc\u00dfe \u65e5\u672c.bin", body, "application/x-thing")
    assert made == {
        "id": made["id"],
        "name": "ordner/gr\u00fc\u00dfe \u65e5\u672c.bin",
        "size": size,
        "type": "application/x-thing",
        "sha256": sha256(body).hexdigest(),
        "owner": "ann",
        "bucket": stored.settings.bucket,
        "state": "ready",
        "visibility": "private",
        "metadata": {},
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
        "version": 1,
    }
    assert stored.ann.content(made["id"]) == body
    assert stored.ann.call("GET", f"/v1/files/{made['id']}").json == made


def test_a_form_comes_back_as_it_was(stored: Site) -> None:
    for content in (BODY, b""):
        answer = stored.ann.form("POST", "/v1/files", {"file": ('a "b".png', content, "image/png")})
        assert (answer.status, answer.json["name"], answer.json["type"]) == (201, 'a "b".png', "image/png")
        assert answer.headers["location"] == f"/v1/files/{answer.json['id']}"
        assert stored.ann.content(answer.json["id"]) == content


def test_base64_comes_back_as_it_was(stored: Site) -> None:
    encoded = base64.b64encode(BODY).decode()
    for content in (encoded, f"data:image/png;base64,{encoded}"):
        answer = stored.ann.call("POST", "/v1/files/base64", {"name": "x", "content": content})
        assert answer.status == 201
        assert stored.ann.content(answer.json["id"]) == BODY
    assert answer.json["type"] == "image/png"


def test_ranges_of_a_content(stored: Site) -> None:
    file_id = stored.ann.put("x", BODY)["id"]
    path = f"/v1/files/{file_id}/content"
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=-5", len(BODY) - 5, len(BODY)),
        (f"bytes={len(BODY) - 1}-", len(BODY) - 1, len(BODY)),
        ("bytes=5-999999", 5, len(BODY)),
    ):
        answer = stored.ann.call("GET", path, range=asked)
        assert (answer.status, answer.body) == (206, BODY[start:stop])
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(BODY)}"
    for asked in (f"bytes={len(BODY)}-", "bytes=-0"):
        answer = stored.ann.call("GET", path, range=asked)
        assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(BODY)}")
        assert answer.json["code"] == "bad_range"
    etag = stored.ann.call("HEAD", path).headers["etag"]
    assert stored.ann.call("GET", path, range="bytes=0-3", if_range=etag).status == 206
    assert stored.ann.call("GET", path, range="bytes=0-3", if_range='"other"').body == BODY


def test_head_says_what_get_says(stored: Site) -> None:
    file_id = stored.ann.put("x.txt", BODY, "text/plain")["id"]
    path = f"/v1/files/{file_id}/content"
    head, get = stored.ann.call("HEAD", path), stored.ann.call("GET", path)
    assert head.body == b""
    unlike = {"date"}
    assert {k: v for k, v in head.headers.items() if k not in unlike} == {
        k: v for k, v in get.headers.items() if k not in unlike
    }
    assert get.headers["etag"] == f'"{sha256(BODY).hexdigest()}"'
    assert stored.ann.call("GET", path, if_none_match=get.headers["etag"]).status == 304


def test_replacing_keeps_id_and_name(stored: Site) -> None:
    made = stored.ann.put("x", b"old", "text/plain")
    path = f"/v1/files/{made['id']}/content"
    answer = stored.ann.call("PUT", path, b"newer", content_type="image/png")
    assert (answer.status, answer.json["version"], answer.json["type"]) == (200, 2, "image/png")
    assert stored.ann.content(made["id"]) == b"newer"
    answer = stored.ann.form("PUT", path, {"file": ("ignored", b"newest", "text/plain")})
    assert (answer.status, answer.json["version"], answer.json["name"]) == (200, 3, "x")
    current = stored.ann.call("HEAD", path).headers["etag"]
    assert stored.ann.call("PUT", path, b"z", if_match='"stale"').status == 412
    assert stored.ann.call("PUT", path, b"z", if_match=current).status == 200
    assert stored.ann.content(made["id"]) == b"z"


def test_renaming_and_removing(stored: Site) -> None:
    made = stored.ann.put("x", b"1")
    path = f"/v1/files/{made['id']}"
    answer = stored.ann.call("PATCH", path, {"name": "y", "metadata": {"k": "v"}})
    assert (answer.status, answer.json["name"], answer.json["metadata"]) == (200, "y", {"k": "v"})
    assert stored.ann.call("DELETE", path).status == 204
    for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", ""), ("HEAD", "/content")):
        assert stored.ann.call(method, path + tail).status == 404


def test_what_was_declared_must_have_come(stored: Site) -> None:
    digest = base64.b64encode(sha256(b"other").digest()).decode()
    answer = stored.ann.call("POST", "/v1/files?name=x", b"body", content_digest=f"sha-256=:{digest}:")
    assert (answer.status, answer.json["code"]) == (422, "bad_checksum")
    digest = base64.b64encode(sha256(b"body").digest()).decode()
    assert stored.ann.call("POST", "/v1/files?name=x", b"body", content_digest=f"sha-256=:{digest}:").status == 201


def test_chunked_bodies_are_taken(stored: Site) -> None:
    def chunks() -> object:
        yield from (BODY[n : n + 1000] for n in range(0, len(BODY), 1000))

    answer = stored.ann.call("POST", "/v1/files?name=x", chunks())
    assert answer.status == 201
    assert md5(stored.ann.content(answer.json["id"])).digest() == md5(BODY).digest()


def test_the_same_request_twice_makes_one_file(stored: Site) -> None:
    first = stored.ann.call("POST", "/v1/files?name=x", b"1", idempotency_key="k1")
    again = stored.ann.call("POST", "/v1/files?name=x", b"1", idempotency_key="k1")
    assert first.status == again.status == 201
    assert first.json == again.json
    other = stored.ann.call("POST", "/v1/files?name=other", b"1", idempotency_key="k1")
    assert (other.status, other.json["code"]) == (422, "invalid")
    assert stored.bob.call("POST", "/v1/files?name=x", b"1", idempotency_key="k1").json["id"] != first.json["id"]
    form = {"file": ("f", b"1")}
    first, again = (stored.ann.form("POST", "/v1/files", form, idempotency_key="k2") for _ in range(2))
    assert (first.status, again.json) == (201, first.json)
