"""Bad input through every door: a clear error in the dialect's shape, never a 500, and nothing left behind."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote, unquote, urlsplit

import pytest
from tests.acceptance.served import Answer, Client, Site, memory_settings, serving

from kist.drive import drive

LIMIT = 100_000

BAD_NAMES = [
    "",
    "a" * 256,
    "\u00e9" * 513,
    "..",
    "a/../b",
    "/abs",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "a\x1b[31m",
    "a\\..\\b",
    "p\u202egnp.exe",
]
GOOD_NAMES = [
    "a",
    "a" * 255,
    "e\u0301",
    "\u05e9\u05dc\u05d5\u05dd.txt",
    "\u65e5\u672c.txt",
    'a"b',
    "a;filename=b.exe",
    "..hidden",
    "\uff0e\uff0e\uff0f",
    "$(id);<b>{{7*7}}%0aX: y",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a small limit."""
    settings = memory_settings(tmp_path_factory.mktemp("home"), KIST_MAX_UPLOAD_SIZE=str(LIMIT))
    with serving(settings) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_left_behind(site: Site) -> Iterator[None]:
    """A test that uploads nothing good leaves no rows behind."""
    yield
    assert drive(site.kist.files._ports.catalogue.usage("ann")).uploads == 0


def refused(answer: Answer, *statuses: int) -> None:
    assert answer.status in statuses, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"code", "title", "status", "detail"} <= set(answer.json)
    for leak in (b"Traceback", b"site-packages", b".py", b"sqlite"):
        assert leak not in answer.body


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_at_every_door(site: Site, name: str) -> None:
    file_id = site.ann.put("x", b"1")["id"]
    refused(site.ann.call("POST", f"/v1/files?name={quote(name)}", b"1"), 422)
    refused(site.ann.call("POST", "/v1/files/base64", {"name": name, "content": ""}), 422)
    refused(site.ann.call("PATCH", f"/v1/files/{file_id}", {"name": name}), 422)
    if not set(name) & set("\0\n"):
        refused(site.ann.form("POST", "/v1/files", {"file": (name, b"1")}), 422)
    assert site.ann.call("GET", f"/v1/files/{file_id}").json["name"] == "x"


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names_come_back_in_lists_and_headers(site: Site, name: str) -> None:
    made = site.ann.put(name, b"1")
    assert made["name"] == normalize("NFC", name)
    header = site.ann.call("HEAD", f"/v1/files/{made['id']}/content").headers["content-disposition"]
    extended, plain = re.search(r"filename\*=UTF-8''([^;]+)", header), re.search(r'filename="([^"]*)"', header)
    assert header.isascii()
    shown = unquote(extended[1]) if extended else plain[1] if plain else None
    assert shown == made["name"].rpartition("/")[2]


def test_bytes_that_are_no_name(site: Site) -> None:
    refused(site.ann.call("POST", "/v1/files?name=%FF%FE", b"1"), 422)
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="\xff\xfe"\r\n\r\n1\r\n--b--\r\n'
    refused(site.ann.call("POST", "/v1/files", body, content_type="multipart/form-data; boundary=b"), 422)


def test_missing_and_double_file_parts(site: Site) -> None:
    refused(site.ann.form("POST", "/v1/files", {"other": "x"}), 422)
    refused(site.ann.form("POST", "/v1/files", {"file": "no file, a field"}), 422)
    refused(site.ann.form("POST", "/v1/files", [("file", ("a", b"1")), ("file", ("b", b"2"))]), 422)
    refused(site.ann.call("POST", "/v1/files", b"1"), 422)
    refused(site.ann.call("POST", "/v1/files", b"", content_type="multipart/form-data"), 415, 422)
    refused(site.ann.call("POST", "/v1/files", b"junk", content_type="multipart/form-data; boundary=b"), 409, 422)


@pytest.mark.parametrize("fields_first", [True, False])
def test_fields_before_and_after_the_file(site: Site, fields_first: bool) -> None:
    fields = [("note", "x"), ("file", ("f", b"12345"))]
    answer = site.ann.form("POST", "/v1/files", fields if fields_first else fields[::-1])
    assert (answer.status, answer.json["size"]) == (201, 5)


def test_a_form_that_ends_too_early(site: Site) -> None:
    whole = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n12345\r\n--b--\r\n'
    for cut in (10, 60, len(whole) - 10, len(whole) - 6):
        refused(
            site.ann.call("POST", "/v1/files", whole[:cut], content_type="multipart/form-data; boundary=b"), 409, 422
        )


@pytest.mark.parametrize(
    "content", ["!!!!", "YQ", "YQ=", "YQ==\n", "YW=x", "_-_-", "data:text/plain,abc", "data:;base64", "=" * 4, "Y Q="]
)
def test_broken_base64(site: Site, content: str) -> None:
    refused(site.ann.call("POST", "/v1/files/base64", {"name": "x", "content": content}), 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"name": 1}',
        b'{"name": "x"}',
        b"null",
        b'"x"',
        b'{"name":"x","content":"","extra":1}',
        b'{"name":"x","name":"y","content":""}',
        b"\xff",
        b'{"name":"x","content":"","type":' + b"9" * 5000 + b"}",
    ],
)
def test_broken_json(site: Site, body: bytes) -> None:
    refused(site.ann.call("POST", "/v1/files/base64", body, content_type="application/json"), 422)


def test_too_large_at_every_door(site: Site) -> None:
    large = b"x" * (LIMIT + 1)
    file_id = site.ann.put("x", b"1")["id"]
    refused(site.ann.call("POST", "/v1/files?name=x", large), 413)
    refused(site.ann.call("POST", "/v1/files?name=x", iter([large[:60_000], large[60_000:]])), 413)
    refused(site.ann.form("POST", "/v1/files", {"file": ("x", large)}), 413)
    refused(site.ann.call("PUT", f"/v1/files/{file_id}/content", large), 413)
    assert site.ann.call("POST", "/v1/files?name=x", large[:-1]).status == 201
    assert site.ann.content(file_id) == b"1"


def test_small_bodies_are_capped(site: Site) -> None:
    file_id = site.ann.put("x", b"1")["id"]
    refused(site.ann.call("PATCH", f"/v1/files/{file_id}", b" " * (1 << 21), content_type="application/json"), 413)
    refused(site.admin.call("POST", "/v1/keys", b" " * (1 << 21), content_type="application/json"), 413)


@pytest.mark.parametrize("kind", ["png", "a/b/c", "text/html; a=\xe9"])
def test_types_that_are_none(site: Site, kind: str) -> None:
    refused(site.ann.call("POST", "/v1/files?name=x", b"1", content_type=kind), 422)


def test_compressed_bodies_are_not_unpacked(site: Site) -> None:
    refused(site.ann.call("POST", "/v1/files?name=x", b"1", content_encoding="gzip"), 415)


def test_unknown_places_and_methods(site: Site) -> None:
    refused(site.ann.call("GET", "/nowhere"), 404)
    answer = site.ann.call("POST", "/v1/me")
    refused(answer, 405)
    assert "GET" in answer.headers["allow"]
    refused(site.ann.call("POST", "/v1/files?name=x&bucket=other", b"1"), 404)


def raw(client: Client, head: str, body: bytes) -> bytes:
    """Send bytes as they are and leave the sending side; return what comes back."""
    url = urlsplit(client.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        lines = f"{head}\r\nhost: x\r\nauthorization: Bearer {client.key}\r\nconnection: close\r\n"
        connection.sendall(lines.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while block := connection.recv(65536):
            received += block
        return received


def test_a_body_shorter_than_declared(site: Site) -> None:
    before = len(site.ann.call("GET", "/v1/files?limit=1000").json["items"])
    raw(site.ann, "POST /v1/files?name=x HTTP/1.1", b"content-length: 10\r\n\r\n12345")
    raw(site.ann, "POST /v1/files?name=x HTTP/1.1", b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n")
    assert len(site.ann.call("GET", "/v1/files?limit=1000").json["items"]) == before


def test_a_body_longer_than_declared_is_cut_at_what_was_declared(site: Site) -> None:
    answer = raw(site.ann, "POST /v1/files?name=x HTTP/1.1", b"content-length: 3\r\n\r\n12345")
    assert answer.startswith(b"HTTP/1.1 201")
    assert b'"size":3' in answer


def test_nothing_of_a_page_can_run(site: Site, tmp_path: Path) -> None:
    """Whatever is uploaded, it is given out so that no browser runs it."""
    for name, kind, content in (
        ("x.svg", "image/svg+xml", b"<svg onload=alert(1)>"),
        ("x.html", "text/html", b"<script>alert(1)</script>"),
        ("x.png", "image/png", b"<html><script>alert(1)</script>"),
        ("x.xml", "application/xml", b'<?xml version="1.0"?><a/>'),
        ("x.js", "text/javascript", b"alert(1)"),
        ("x.pdf", "application/pdf", b"%PDF-1.7"),
    ):
        file_id = site.ann.put(name, content, kind)["id"]
        answer = site.ann.call("GET", f"/v1/files/{file_id}/content?disposition=inline")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        shown_plain = answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"].startswith("attachment") or shown_plain
    png = site.ann.put("x.html", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "text/html")["id"]
    shown = site.ann.call("GET", f"/v1/files/{png}/content?disposition=inline")
    assert (shown.headers["content-type"], shown.headers["content-disposition"][:6]) == ("image/png", "inline")
