"""Clients that ask too much of one connection, or for a protocol that is not spoken here."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.unit.asgi.toy import Raw, ToyKist, served, until

UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
POST = b"POST /v1/files HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer ann\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: k\r\n\r\n"


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[ToyKist, str]]:
    with served() as found:
        yield found


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ids=["length", "chunks"],
)
def test_a_body_that_comes_with_a_wish_to_upgrade_is_read(site: tuple[ToyKist, str], body: bytes, apart: bool) -> None:
    with Raw(site[1]) as raw:
        head, gap, rest = body.partition(b"\r\n\r\n")
        raw.socket.sendall(POST + UPGRADE + head + gap + (b"" if apart else rest + GET))
        if apart:
            time.sleep(0.1)
            raw.socket.sendall(rest + GET)
        answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 201")
    assert b'"received":5' in answer
    assert answer.count(b"HTTP/1.1") == 1, "what follows might be another protocol: it is not answered"


def test_a_wish_to_upgrade_without_a_body(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: k\r\n" + UPGRADE + b"\r\n" + GET)
        answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_thousand_requests_in_one_breath(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.socket.sendall(GET * 1000)
        answer = raw.rest()
    assert 32 <= answer.count(b"HTTP/1.1 200") < 1000
    assert answer.count(b"HTTP/1.1 429") == 1


def test_what_follows_a_refused_request_is_not_stumbled_over(
    site: tuple[ToyKist, str], caplog: pytest.LogCaptureFixture
) -> None:
    with Raw(site[1]) as raw:
        raw.socket.sendall(b"POST / HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + GET)
        answer = raw.rest()
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.startswith(b"HTTP/1.1 400")
    assert "Fatal error" not in caplog.text


def asked(url: str, request: bytes) -> int:
    """The status that ``request`` is answered with on a connection of its own."""
    with Raw(url) as raw:
        raw.socket.sendall(request)
        return raw.answer()[0]


def test_bodies_that_are_held_in_memory_are_counted() -> None:
    head = b"POST /v1/small HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer %b\r\nContent-Length: 1000\r\n\r\n"
    with served(memory=2500, memory_per_actor=1500) as (kist, url):
        with Raw(url) as first, Raw(url) as second, Raw(url) as third:
            first.socket.sendall(head % b"ann" + b"x" * 900)
            until(lambda: [body.held for body in kist.bodies] == [900])
            second.socket.sendall(head % b"ann" + b"x" * 900)
            assert second.answer()[0] == 429
            third.socket.sendall(head % b"bob" + b"x" * 1000)
            assert third.answer()[0] == 200
            with Raw(url) as fourth, Raw(url) as fifth:
                fourth.socket.sendall(head % b"bob" + b"x" * 900)
                until(lambda: [body.held for body in kist.bodies] == [900, 0, 1000, 900])
                fifth.socket.sendall(head % b"eve" + b"x" * 900)
                assert fifth.answer()[0] == 503
        until(lambda: asked(url, head % b"ann" + b"x" * 1000) == 200)  # those that left have given their room back


def test_strangers_share_the_room_of_their_address_and_of_no_other() -> None:
    head = b"POST /v1/open HTTP/1.1\r\nHost: k\r\nContent-Length: 1000\r\n\r\n"
    with served(memory=5000, memory_per_actor=1500) as (kist, url):
        with Raw(url) as first, Raw(url) as second, Raw(url, source="127.0.0.2") as third:
            first.socket.sendall(head + b"x" * 900)
            until(lambda: [body.held for body in kist.bodies] == [900])
            second.socket.sendall(head + b"x" * 900)
            assert second.answer()[0] == 429
            third.socket.sendall(head + b"x" * 1000)
            assert third.answer()[0] == 200
        until(lambda: asked(url, head + b"x" * 1000) == 200)
