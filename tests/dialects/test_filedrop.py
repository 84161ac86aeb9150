"""FILE DROP's contract as scenarios: each line of the document, on every store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from tests.acceptance.served import Answer, Site


def test_upload_by_form_and_read(stored: Site) -> None:
    answer = stored.ann.form("POST", "/files/upload", {"file": ("photo.png", b"\x89PNG", "image/png")})
    assert answer.status == 201
    assert set(answer.json) == {"file_id", "message"}
    read = stored.ann.call("GET", f"/files/{answer.json['file_id']}")
    assert (read.status, read.body, read.headers["content-type"]) == (200, b"\x89PNG", "image/png")
    assert read.headers["content-length"] == "4"
    assert read.headers["content-disposition"] == 'attachment; filename="photo.png"'


def test_upload_of_binary_data(stored: Site) -> None:
    answer = stored.ann.call("POST", "/files/upload?file_name=a.bin", b"data", content_type="application/x-a")
    assert answer.status == 201
    read = stored.ann.call("GET", f"/files/{answer.json['file_id']}")
    assert (read.body, read.headers["content-type"]) == (b"data", "application/x-a")
    named = stored.ann.call("POST", "/files/upload", b"data", content_disposition="attachment; filename=b.bin")
    assert named.status == 201


def test_the_list_is_a_bare_array_of_five_fields(stored: Site) -> None:
    file_id = stored.bob.call("POST", "/files/upload?file_name=l.txt", b"12345", content_type="text/plain").json[
        "file_id"
    ]
    answer = stored.bob.call("GET", "/files")
    assert answer.headers["content-type"] == "application/json"
    (line,) = [line for line in answer.json if line["file_id"] == file_id]
    assert datetime.fromisoformat(line.pop("created_at")).utcoffset() is not None
    assert line == {"file_id": file_id, "file_name": "l.txt", "file_size": 5, "file_type": "text/plain"}


def test_new_content_keeps_id_name_and_time_of_creation(stored: Site) -> None:
    file_id = stored.ann.call("POST", "/files/upload?file_name=x", b"old").json["file_id"]
    before = next(line for line in stored.ann.call("GET", "/files").json if line["file_id"] == file_id)
    answer = stored.ann.form("PUT", f"/files/{file_id}", {"file": ("other", b"newer!", "text/plain")})
    assert (answer.status, set(answer.json)) == (200, {"message"})
    answer = stored.ann.call("PUT", f"/files/{file_id}", b"newest", content_type="image/gif")
    assert (answer.status, set(answer.json)) == (200, {"message"})
    after = next(line for line in stored.ann.call("GET", "/files").json if line["file_id"] == file_id)
    assert after == before | {"file_size": 6, "file_type": "image/gif"}
    assert stored.ann.call("GET", f"/files/{file_id}").body == b"newest"


@pytest.mark.parametrize("field", ["file_name", "new_file_name", "filename"])
def test_a_new_name_by_json_and_form(stored: Site, field: str) -> None:
    file_id = stored.ann.call("POST", "/files/upload?file_name=x", b"1").json["file_id"]

    def name() -> str:
        lines = stored.ann.call("GET", "/files").json
        return str(next(line["file_name"] for line in lines if line["file_id"] == file_id))

    urlencoded = "application/x-www-form-urlencoded"
    sends: list[Callable[[str], Answer]] = [
        lambda new: stored.ann.call("PUT", f"/files/{file_id}", {field: new}),
        lambda new: stored.ann.form("PUT", f"/files/{file_id}", {field: new}),
        lambda new: stored.ann.call("PUT", f"/files/{file_id}", f"{field}={new}", content_type=urlencoded),
    ]
    for number, send in enumerate(sends):
        answer = send(f"new{number}")
        assert (answer.status, set(answer.json)) == (200, {"message"})
        assert name() == f"new{number}"
    assert stored.ann.call("GET", f"/files/{file_id}").body == b"1"


def test_content_and_name_at_once_in_either_order(stored: Site) -> None:
    file_id = stored.ann.call("POST", "/files/upload?file_name=x", b"1").json["file_id"]
    file = ("ignored", b"2", "text/plain")
    for number, fields in enumerate(([("file", file), ("file_name", "n0")], [("file_name", "n1"), ("file", file)])):
        assert stored.ann.form("PUT", f"/files/{file_id}", fields).status == 200
        line = next(line for line in stored.ann.call("GET", "/files").json if line["file_id"] == file_id)
        assert (line["file_name"], line["file_size"]) == (f"n{number}", 1)


def test_delete(stored: Site) -> None:
    file_id = stored.ann.call("POST", "/files/upload?file_name=x", b"1").json["file_id"]
    answer = stored.ann.call("DELETE", f"/files/{file_id}")
    assert (answer.status, set(answer.json)) == (200, {"message"})
    for method in ("GET", "DELETE"):
        answer = stored.ann.call(method, f"/files/{file_id}")
        assert (answer.status, set(answer.json)) == (404, {"error"})
    assert stored.ann.call("PUT", f"/files/{file_id}", b"2").status == 404


def test_what_is_missing_or_wrong_is_said_as_an_error(site: Site) -> None:
    file_id = site.ann.call("POST", "/files/upload?file_name=x", b"1").json["file_id"]
    for answer in (
        site.ann.call("POST", "/files/upload", b"data"),
        site.ann.form("POST", "/files/upload", {"other": "field"}),
        site.ann.form("POST", "/files/upload", {"file": ("", b"1")}),
        site.ann.form("POST", "/files/upload", [("file", ("a", b"1")), ("file", ("b", b"2"))]),
        site.ann.call("POST", "/files/upload?file_name=..%2Fx", b"1"),
        site.ann.call("PUT", f"/files/{file_id}", {}),
        site.ann.call("PUT", f"/files/{file_id}", {"file_name": 5}),
        site.ann.call("PUT", f"/files/{file_id}", b"[", content_type="application/json"),
        site.ann.form("PUT", f"/files/{file_id}", {"other": "field"}),
        site.ann.call("PUT", f"/files/{file_id}"),
        site.ann.call("PUT", f"/files/{file_id}", {"file_name": "a\0b"}),
    ):
        assert (answer.status, set(answer.json)) == (400, {"error"}), answer.body
    assert site.ann.call("GET", f"/files/{file_id}").body == b"1"


def test_a_long_list_is_streamed_whole(site: Site) -> None:
    for number in range(1005):
        site.admin.put(f"n{number}", b"")
    answer = site.admin.call("GET", "/files")
    assert answer.headers.get("transfer-encoding") == "chunked"
    lines = json.loads(answer.body)
    assert {f"n{number}" for number in range(1005)} <= {line["file_name"] for line in lines}
    assert len({line["file_id"] for line in lines}) == len(lines)
