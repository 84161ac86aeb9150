"""What callers of Syncano's socket may get wrong, and that it costs them alone."""

from __future__ import annotations

import os
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import Answer, s3_settings, serving
from tests.dialects.syncano_sites import (
    BASE64,
    ENDPOINTS,
    HELLO,
    USER,
    WITH_FILE,
    Socket,
    ask,
    said,
    socket_on,
    strict_socket,
)
from tests.servers.server import S3Server

from kist.service.attempts import Attempts

FORM = "application/x-www-form-urlencoded"
NAMED = tuple(endpoint for endpoint in ENDPOINTS if endpoint not in ("make-links", "create_bucket"))


@pytest.fixture(scope="module", params=["disk", "rgw"])
def socket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Socket]:
    with strict_socket(request.param, tmp_path_factory.mktemp("home"), request) as found:
        yield found


@pytest.fixture(autouse=True)
def fresh_tries(socket: Socket) -> None:
    """Wrong keys of one test must not use up the tries of the next."""
    socket.site.kist.entry._attempts = Attempts(socket.site.kist.files._ports.clock)


HOSTILE = [
    "..",
    ".",
    "../../etc/passwd",
    "a/../b",
    "/abs",
    "a//b",
    "a\\..\\b",
    "C:\\x",
    "a\0b",
    "a\nb",
    "\u202egnp.exe",
    "x" * 256,
    "é" * 300,
]
STRANGE = [
    "..;",
    "....",
    "%2e%2e%2f",
    "．．／",
    "' OR 1=1 --",
    "日本語 😀",
    "a b+c&d=e?f#g",
    "<script>",
    "x" * 255,
    "ann",
]


@pytest.mark.parametrize("endpoint", NAMED)
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_that_are_none_are_refused(socket: Socket, endpoint: str, name: str) -> None:
    before = socket.names(socket.site.admin)
    answer = ask(socket, endpoint, name=name, file=BASE64)
    assert answer.status in (400, 403), answer.body
    assert said(endpoint, answer)
    assert socket.names(socket.site.admin) == before
    made = socket.as_admin("make-links", fileNames=[f"ann/{name}"])
    assert (made.status, made.json["files"]) == (200, {})


@pytest.mark.parametrize("name", STRANGE, ids=range(len(STRANGE)))
def test_strange_names_are_names(socket: Socket, name: str) -> None:
    for endpoint in ("user-upload", "admin-upload"):
        answer = ask(socket, endpoint, name=name, file=BASE64)
        assert (answer.status, socket.get(answer.json["link"])) == (200, HELLO)
    query = {"name": name, "user_key": socket.site.ann.key}
    assert socket.get(socket.call("user-read", method="GET", query=query).json["link"]) == HELLO
    made = socket.as_admin("make-links", fileNames=[f"ann/{name}", name]).json
    assert set(made["files"]) == {f"ann/{name}", name}
    assert name not in {path.name for path in Path(socket.site.settings.home).rglob("*")}


def test_one_name_in_two_forms_of_unicode_is_one_file(socket: Socket) -> None:
    assert socket.as_ann("user-upload", name="e\u0301", file=BASE64).status == 200
    assert socket.as_ann("user-read", name="\u00e9").status == 200
    assert set(socket.as_admin("make-links", fileNames=["ann/e\u0301"]).json["files"]) == {"ann/e\u0301"}


@pytest.mark.parametrize("endpoint", ["user-upload-link", "user-read", "user-upload"])
def test_a_users_name_has_no_slash(socket: Socket, endpoint: str) -> None:
    answer = ask(socket, endpoint, name="bob/x", file=BASE64)
    assert (answer.status, said(endpoint, answer)) == (403, "You are not allowed to do that")


@pytest.mark.parametrize("endpoint", WITH_FILE)
def test_name_and_file_are_required(socket: Socket, endpoint: str) -> None:
    for given in ({}, {"name": "x"}, {"file": BASE64}, {"name": "", "file": BASE64}, {"name": "x", "file": ""}):
        answer = ask(socket, endpoint, **given)
        assert (answer.status, answer.json) == (400, "name and file are required")
    keys = socket.ann if endpoint == "user-upload" else {"_api_key": socket.site.admin.key}
    for fields in ({"name": "x"}, {"file": ("x", HELLO)}):
        answer = socket.form(endpoint, {**keys, **fields})
        assert (answer.status, answer.json) == (400, "name and file are required")


@pytest.mark.parametrize(
    ("given", "got"),
    [({}, None), ({"fileNames": 5}, 5), ({"fileNames": {"a": [1]}}, {"a": [1]}), ({"fileNames": False}, False)],
)
def test_anything_but_names_is_invalid_usage(socket: Socket, given: dict[str, Any], got: object) -> None:
    answer = socket.as_admin("make-links", **given)
    assert answer.status == 400
    assert answer.json.pop("expected") == "fileNames: an array of strings, or one string"
    assert answer.json["message"] == "invalid usage"
    assert answer.json["got"] == got


def test_what_is_shown_again_is_short(socket: Socket) -> None:
    long = "x" * 50_000
    for given in ({"a": long}, [{"a": long}], [long]):
        answer = socket.as_admin("make-links", fileNames=given)
        assert len(answer.body) < 1000
        assert answer.status == (400 if isinstance(given, dict) else 200)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b"null", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"name": ' + b"[" * 100_000, "application/json", 400),
        (b"name=%ff", FORM, 400),
        (b"&".join(b"a=1" for _ in range(300)), FORM, 400),
        (b"name=x", "text/plain", 415),
        (b"name=x", "multipart/form-data", 400),
        (b"name=x", "multipart/form-data; boundary=b", 400),
        (b"{}", "image/png", 415),
    ],
)
def test_bodies_that_cannot_be_read(socket: Socket, endpoint: str, body: bytes, content_type: str, status: int) -> None:
    headers = {"content_type": content_type, **socket.admin, "x_user_key": str(socket.site.ann.key)}
    answer = socket.call(endpoint, body, headers=headers)
    assert answer.status == status, answer.body
    assert said(endpoint, answer)


def test_queries_that_cannot_be_read(socket: Socket) -> None:
    for query in ("name=%ff", "&".join("a=1" for _ in range(300))):
        assert socket.site.nobody.call("GET", f"/aws-storage/user-read/?{query}").status == 400


@pytest.mark.parametrize(
    "bomb",
    [
        b'{"x": [' + b"{}," * 4_000_000 + b"0]}",
        b'{"name": [' + b"{}," * 4_000_000 + b"0]}",
        b'{"fileNames": [' + b"{}," * 4_000_000 + b"0]}",
        b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}",
    ],
    ids=["an unknown field", "the name", "the names", "many fields"],
)
def test_json_bombs_cost_less_than_they_weigh(socket: Socket, bomb: bytes) -> None:
    for endpoint in ("user-upload", "make-links"):
        # A machine that stands still may count that as processor time.
        assert any(seconds_for(socket, endpoint, bomb) < 0.5 for _ in range(3))


def seconds_for(socket: Socket, endpoint: str, bomb: bytes) -> float:
    """The processor time of client and server, which runs in a thread of this process."""
    began = time.process_time()
    answer = ask_raw(socket, endpoint, bomb)
    assert answer.status in (400, 413)
    return time.process_time() - began


def ask_raw(socket: Socket, endpoint: str, body: bytes) -> Answer:
    keys = {"x_user_key": str(socket.site.ann.key)} if endpoint in USER else socket.admin
    return socket.call(endpoint, body, headers={"content_type": "application/json", **keys})


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if endpoint not in WITH_FILE])
def test_bodies_without_a_file_are_small(socket: Socket, endpoint: str) -> None:
    answer = ask(socket, endpoint, name="x", more="x" * (1 << 20))
    assert (answer.status, set(answer.json)) == (413, {"detail"})


class TestForms:
    def test_a_second_file_is_refused_and_nothing_is_kept(self, socket: Socket) -> None:
        for fields in (
            [("name", "twice"), *socket.ann.items(), ("file", ("a", b"1")), ("file", ("b", b"2"))],
            [("file", ("a", b"1")), ("name", "twice"), ("file", ("b", b"2")), *socket.ann.items()],
            [("name", "twice"), *socket.ann.items(), ("file", ("a", b"1")), ("file", BASE64)],
        ):
            assert socket.form("user-upload", fields).status == 400
        query = f"?file={urllib.parse.quote(BASE64)}"
        form = {**socket.ann, "name": "twice", "file": ("a", b"1")}
        answer = socket.site.nobody.form("POST", f"/aws-storage/user-upload/{query}", form)
        assert answer.status == 400
        assert socket.as_ann("user-read", name="twice").status == 404

    def test_what_decides_comes_before_a_file_that_is_stored_as_it_arrives(self, socket: Socket) -> None:
        fields = [("name", "late"), *socket.ann.items(), ("file", ("a", b"1")), ("bucket_name", "other")]
        answer = socket.form("user-upload", fields)
        assert (answer.status, answer.json) == (400, {"message": "send bucket_name before the file"})
        assert socket.as_ann("user-read", name="late").status == 404
        fields = [("name", "late"), *socket.ann.items(), ("file", ("a", b"1")), ("name", "later"), ("x", "y")]
        assert socket.form("user-upload", fields).status == 200
        assert socket.as_ann("user-read", name="late").status == 200
        assert socket.as_ann("user-read", name="later").status == 404

    def test_a_form_that_breaks_off_leaves_nothing(self, socket: Socket) -> None:
        form = b'--b\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        head = form % (b"name", b"cut") + form % (b"_user_key", str(socket.site.ann.key).encode())
        body = head + b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n1234'
        answer = socket.call("user-upload", body, headers={"content_type": "multipart/form-data; boundary=b"})
        assert answer.status == 400
        assert socket.as_ann("user-read", name="cut").status == 404

    def test_a_large_file_before_its_name_is_told_what_to_do(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        with socket_on("disk", tmp_path, request) as socket:
            large = ("file", ("x", os.urandom((10 << 20) + 1)))
            answer = socket.form("user-upload", [large, ("name", "x"), *socket.ann.items()])
            assert (answer.status, "before a file" in answer.json["message"]) == (400, True)
            assert socket.form("user-upload", [("name", "x"), *socket.ann.items(), large]).status == 200
            with_bearer = {"authorization": f"Bearer {socket.site.ann.key}"}
            assert socket.form("user-upload", [("name", "y"), large], headers=with_bearer).status == 200


def test_the_store_is_down(tmp_path: Path, dead_port: int) -> None:
    nowhere = S3Server("nowhere", f"http://127.0.0.1:{dead_port}", "key", "secret-secret")
    with serving(s3_settings(tmp_path, nowhere, KIST_DIALECTS="native,syncano")) as site:
        socket = Socket(site, "kist")
        for endpoint in ENDPOINTS:
            answer = ask(socket, endpoint, name="a-name", file=BASE64, fileNames=["a"])
            assert answer.status == 503, (endpoint, answer.body)
            assert "retry-after" in answer.headers
            assert str(dead_port) not in said(endpoint, answer)
        assert socket.call("user-read", {"name": "x"}).status == 401
