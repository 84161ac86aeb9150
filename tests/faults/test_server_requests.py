"""Requests that no honest client sends: refused and closed, never taken for two (T81, T83)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.unit.asgi.toy import Raw, ToyKist, served

HOST = "Host: k"
KEY = "Authorization: Bearer ann"
POST = "POST /v1/files HTTP/1.1"
STATUS_LINE = re.compile(rb"HTTP/1\.1 \d{3} ")
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: k\r\n\r\n"

POSTING = b"POST /v1/files HTTP/1.1\r\nHost: k\r\n"
REFUSED: dict[str, bytes] = {
    "length and chunks": POSTING + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POSTING + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POSTING + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": POSTING + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POSTING + b"Content-Length: 5, 5\r\n\r\nhello",
    "negative length": POSTING + b"Content-Length: -5\r\n\r\nhello",
    "length with a sign": POSTING + b"Content-Length: +5\r\n\r\nhello",
    "length in hex": POSTING + b"Content-Length: 0x5\r\n\r\nhello",
    "length beyond 64 bits": POSTING + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "gzip, chunked": POSTING + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POSTING + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "xchunked": POSTING + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /v1/files HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": POSTING + b"Content-Length : 5\r\n\r\nhello",
    "folded header": b"GET /healthz HTTP/1.1\r\nHost: k\r\nX: a\r\n b\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: k\r\nHost: evil\r\n\r\n",
    "another server's address": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: k\r\n\r\n",
    "an address without a slash": b"GET @google.com HTTP/1.1\r\nHost: k\r\n\r\n",
    "two addresses": b"GET /healthz /v1/things HTTP/1.1\r\nHost: k\r\n\r\n",
    "a fragment": b"GET /healthz#x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: k\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: k\r\n\r\n",
    "bytes beyond ASCII": b"GET /\xff HTTP/1.1\r\nHost: k\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: k\r\nX: a\0b\r\n\r\n",
    "bare line ends": b"GET /healthz HTTP/1.1\nHost: k\n\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: k\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a head of 100 KiB": b"GET /healthz HTTP/1.1\r\nHost: k\r\nX: " + b"a" * 102_400 + b"\r\n\r\n",
    "a target of 100 KiB": b"GET /" + b"a" * 102_400 + b" HTTP/1.1\r\nHost: k\r\n\r\n",
    "1,000 headers": b"GET /healthz HTTP/1.1\r\nHost: k\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[ToyKist, str]]:
    with served() as found:
        yield found


@pytest.fixture
def url(site: tuple[ToyKist, str]) -> str:
    return site[1]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(name: str, url: str) -> None:
    with Raw(url) as raw:
        raw.socket.sendall(REFUSED[name] + SMUGGLED)
        found = raw.rest()
    assert found.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert len(STATUS_LINE.findall(found)) == 1


def test_a_head_without_end_is_refused_while_it_comes(url: str) -> None:
    with Raw(url) as raw:
        raw.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: k\r\nX: " + b"a" * 400_000)
        assert raw.rest().startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "broken", [b"zz\r\n", b"5\r\nhelloX\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"5 \r\nhello\r\nQ"]
)
def test_broken_chunks_end_the_body(broken: bytes, site: tuple[ToyKist, str]) -> None:
    kist, url = site
    settled = len(kist.settled)
    with Raw(url) as raw:
        raw.say(POST, HOST, KEY, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n" + broken)
        found = raw.rest()
    assert found.split(b" ")[1] in (b"400", b"409")
    assert len(kist.settled) == settled


def test_trailers_are_not_headers_and_not_endless(site: tuple[ToyKist, str]) -> None:
    _, url = site
    with Raw(url) as raw:
        raw.say(
            POST, HOST, KEY, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\nAuthorization: Bearer root\r\n\r\n"
        )
        assert raw.answer()[0] == 201
    with Raw(url) as raw:
        raw.say(POST, HOST, KEY, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\nX: " + b"a" * 400_000)
        assert raw.rest().startswith(b"HTTP/1.1 4")


def test_requests_in_one_packet_are_answered_in_their_order(url: str) -> None:
    with Raw(url) as raw:
        post = f"{POST}\r\n{HOST}\r\n{KEY}\r\nContent-Length: 3\r\n\r\nabc".encode()
        get = f"GET /v1/things/%d HTTP/1.1\r\n{HOST}\r\n{KEY}\r\n\r\n".encode()
        raw.socket.sendall(get % 1 + post + get % 2 + post.replace(b"abc", b"ab"))
        assert b'"id":"1"' in raw.answer()[2]
        assert raw.answer()[2] == b'{"received":3}'
        assert b'"id":"2"' in raw.answer()[2]
        raw.socket.sendall(b"c" + get % 3)
        assert raw.answer()[2] == b'{"received":3}'
        assert b'"id":"3"' in raw.answer()[2]


def test_noise_after_a_request_is_refused_after_its_answer(url: str) -> None:
    with Raw(url) as raw:
        raw.say(POST, HOST, KEY, "Content-Length: 10", body=b"x" * 11)
        assert raw.answer()[0] == 201
        assert raw.rest().startswith(b"HTTP/1.1 400 ")


def test_host_and_underscores_are_not_believed(url: str) -> None:
    with Raw(url) as raw:
        raw.say("GET /v1/things HTTP/1.1", "Host: evil.example", "X-Forwarded-Host: evil.example", KEY)
        status, headers, body = raw.answer()
        assert status == 200
        assert "evil" not in str(headers) + body.decode()
        raw.say("GET /v1/things HTTP/1.1", HOST, "Kist_Actor: bob", KEY)
        assert b'"actor":"ann"' in raw.answer()[2]


def test_an_upgrade_is_not_taken(url: str) -> None:
    with Raw(url) as raw:
        raw.say("GET /healthz HTTP/1.1", HOST, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", body=SMUGGLED)
        found = raw.rest()
    assert found.startswith(b"HTTP/1.1 200 ")
    assert found.count(b"HTTP/1.1 ") == 1


def test_http_1_0_gets_an_end_it_understands(url: str) -> None:
    with Raw(url) as raw:
        raw.say("GET /v1/stream?unknown=1 HTTP/1.0", KEY)
        found = raw.rest()
    assert found.endswith(b"\r\n\r\n" + b"x" * 30)
    assert b"chunked" not in found


def test_continue_is_said_when_the_body_is_wanted(site: tuple[ToyKist, str]) -> None:
    _, url = site
    with Raw(url) as raw:
        raw.say(POST, HOST, KEY, "Content-Length: 3", "Expect: 100-continue")
        assert raw.answer()[0] == 100
        raw.socket.sendall(b"abc")
        assert raw.answer()[0] == 201
    with Raw(url) as raw:
        raw.say(POST, HOST, "Content-Length: 3", "Expect: 100-continue")
        assert raw.answer()[0] == 401
