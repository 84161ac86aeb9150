"""What the host does around a handler: gate, limits, errors, headers. Over real sockets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.unit.asgi.toy import SIGNED_IN, Raw, ToyKist, served, until

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[ToyKist, str]]:
    with served() as found:
        yield found


@pytest.fixture
def url(site: tuple[ToyKist, str]) -> str:
    return site[1]


def ask(url: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        connection.request(method, path, body, {**SIGNED_IN, **named})
        with connection.getresponse() as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def told(answer: Answer) -> Any:
    return json.loads(answer[2])


def test_a_call_reaches_its_handler(url: str) -> None:
    status, headers, body = ask(url, "GET", "/v1/things/a%2Fb%20%C3%A9?q=1&q=2")
    assert (status, json.loads(body)) == (200, {"id": "a/b é", "actor": "ann", "via": None, "q": ["1", "2"]})
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_a_trailing_slash_changes_nothing(url: str) -> None:
    assert ask(url, "GET", "/v1/things/x/")[2] == ask(url, "GET", "/v1/things/x")[2]
    assert ask(url, "GET", "/v1/things/")[0] == 200


def test_paths_are_decoded_once(url: str) -> None:
    assert told(ask(url, "GET", "/v1/things/%252e%252e"))["id"] == "%2e%2e"
    assert told(ask(url, "GET", "/v1/things/.."))["id"] == ".."
    assert ask(url, "GET", "/v1/%74hings/x")[0] == 200
    assert ask(url, "GET", "/v1/things/%ff")[0] == 422
    assert told(ask(url, "GET", "/v1/keys/b/c/d%2Fe//f"))["id"] is None
    assert ask(url, "GET", "/v1//things")[0] == 404


def test_an_application_acts_for_its_user(url: str) -> None:
    answer = told(ask(url, "GET", "/v1/things", Authorization="Bearer root", Kist_Actor="bob"))
    assert (answer["actor"], answer["via"]) == ("bob", "root")


def test_head_is_get_without_its_body(site: tuple[ToyKist, str]) -> None:
    kist, url = site
    get, head = ask(url, "GET", "/v1/things/x"), ask(url, "HEAD", "/v1/things/x")
    assert (head[0], head[2]) == (200, b"")
    assert head[1]["content-length"] == get[1]["content-length"]
    before = kist.pulled, kist.closed
    head = ask(url, "HEAD", "/v1/stream?blocks=5&size=7")
    assert head[1]["content-length"] == "35"
    until(lambda: kist.closed == before[1] + 1)
    assert kist.pulled == before[0]


def test_nothing_at_this_address_in_the_words_of_the_nearest_dialect(url: str) -> None:
    assert told(ask(url, "GET", "/v1/nope"))["code"] == "missing"
    assert told(ask(url, "GET", "/nope"))["code"] == "missing"
    assert told(ask(url, "POST", "/files/x/y")) == {"error": "there is nothing at this address"}


def test_other_methods(url: str) -> None:
    status, headers, body = ask(url, "DELETE", "/v1/things/x")
    assert (status, json.loads(body)["code"]) == (405, "wrong_method")
    assert headers["allow"] == "GET, HEAD, OPTIONS"
    status, headers, body = ask(url, "OPTIONS", "/v1/things/x", Origin="https://evil")
    assert (status, body, headers["allow"]) == (204, b"", "GET, HEAD, OPTIONS")
    assert "access-control-allow-origin" not in headers
    assert "content-length" not in headers


def test_who_may_not_come_in(url: str) -> None:
    status, headers, _ = ask(url, "GET", "/v1/things", Authorization="Bearer wrong")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="kist"')
    assert ask(url, "GET", "/v1/things", Authorization="nonsense")[0] == 401
    assert ask(url, "DELETE", "/v1/admin")[0] == 403
    assert ask(url, "DELETE", "/v1/admin", Authorization="Bearer root")[0] == 200
    assert ask(url, "GET", "/healthz", Authorization="Bearer wrong")[0] == 200


def test_nobody_is_signed_in_without_a_credential(url: str) -> None:
    with Raw(url) as raw:
        raw.say("GET /v1/things HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 401


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_the_gate_answers_before_the_body_is_read(headers: dict[str, str], url: str) -> None:
    with Raw(url) as raw:
        raw.say("POST /v1/files HTTP/1.1", "Host: k", "Content-Length: 1000000000", "Authorization: Bearer wrong")
        status, answered, _ = raw.answer()
        assert (status, answered["connection"]) == (401, "close")


def test_strangers_learn_nothing_of_a_routes_limits(url: str) -> None:
    for more in ({"Content_Length": "99999999"}, {"Content_Encoding": "gzip"}, {"Content_Type": "text/plain"}):
        assert ask(url, "POST", "/v1/things/special", b"", Authorization="Bearer wrong", **more)[0] == 401


def test_bodies_have_limits(url: str) -> None:
    assert told(ask(url, "POST", "/v1/small", b"x" * (1 << 20))) == {"size": 1 << 20}
    status, _, body = ask(url, "POST", "/v1/small", b"x" * ((1 << 20) + 1))
    assert (status, json.loads(body)["limit"]) == (413, 1 << 20)
    assert told(ask(url, "POST", "/v1/large", b"x" * (2 << 20))) == {"size": 2 << 20}
    assert ask(url, "GET", "/v1/things", b"x" * ((1 << 20) + 1))[0] == 413


def test_a_chunked_body_is_counted(url: str) -> None:
    with Raw(url) as raw:
        raw.say("POST /v1/small HTTP/1.1", "Host: k", "Authorization: Bearer ann", "Transfer-Encoding: chunked")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(17):
            raw.socket.sendall(chunk)
        assert raw.answer()[0] == 413


def test_types_and_encodings_that_are_not_taken(url: str) -> None:
    assert ask(url, "POST", "/v1/files", b"x", Content_Encoding="gzip")[0] == 415
    assert ask(url, "POST", "/v1/files", b"x", Content_Encoding="identity")[0] == 201
    assert ask(url, "POST", "/v1/things/special", b"x", Content_Type="text/plain")[0] == 415
    assert ask(url, "POST", "/v1/things/special", b"x", Content_Type="Application/JSON; a=b")[0] == 200


def test_errors_in_the_shape_of_the_dialect(url: str) -> None:
    assert told(ask(url, "GET", "/v1/fail/missing"))["code"] == "file_missing"
    status, _, body = ask(url, "GET", "/v1/fail/broken")
    assert (status, json.loads(body)["detail"]) == (500, "the store is on fire")


def test_what_nobody_foresaw_is_logged_and_not_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    for kind in ("bug", "header"):
        caplog.clear()
        status, headers, body = ask(url, "GET", f"/v1/fail/{kind}")
        assert status == 500
        assert b"secret" not in body
        assert b"Traceback" not in body
        assert "set-cookie" not in headers
        assert any(record.exc_info for record in caplog.records)


def test_replies_are_closed_whatever_happens(site: tuple[ToyKist, str]) -> None:
    kist, url = site
    closed = kist.closed
    assert ask(url, "GET", "/v1/stream?blocks=3&size=5")[2] == b"x" * 15
    assert ask(url, "GET", "/v1/stream?blocks=3&size=5&unknown=1")[2] == b"x" * 15
    for more in ("", "&unknown=1"):
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            ask(url, "GET", f"/v1/stream?blocks=4&size=5&break=1{more}")
    until(lambda: kist.closed == closed + 4)


def test_only_named_origins_may_call() -> None:
    with served(origins=("https://ui.example",)) as (_, url):
        allowed = ask(url, "GET", "/v1/things", Origin="https://ui.example")[1]
        assert allowed["access-control-allow-origin"] == "https://ui.example"
        assert allowed["vary"] == "origin"
        assert "access-control-allow-credentials" not in allowed
        for origin in ("https://evil", "null", "https://ui.example.evil", "http://ui.example"):
            refused = ask(url, "GET", "/v1/things", Origin=origin)[1]
            assert "access-control-allow-origin" not in refused
            assert refused["vary"] == "origin"
        preflight = ask(url, "OPTIONS", "/v1/things", Origin="https://ui.example")[1]
        assert preflight["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
        assert "access-control-allow-methods" not in ask(url, "OPTIONS", "/v1/things", Origin="null")[1]


def test_forwarded_addresses_are_believed_from_named_proxies_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kist.access")
    with served() as (_, url):
        ask(url, "GET", "/healthz", X_Forwarded_For="6.6.6.6")
    with served(trusted_proxies=("127.0.0.1",)) as (_, url):
        ask(url, "GET", "/healthz", X_Forwarded_For="1.1.1.1, 6.6.6.6")
    lines = [record.request for record in caplog.records if record.name == "kist.access"]  # type: ignore[attr-defined]
    assert [line.address for line in lines] == ["127.0.0.1", "6.6.6.6"]
