"""Clients that are too slow are closed by their deadline, and nobody else notices (T55)."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, suppress
from statistics import median

from msgspec.structs import replace
from tests.faults.rig.pauses import unless_held_up
from tests.unit.asgi.toy import PATIENT, Raw, ToyKist, served, until

from kist.asgi.deadlines import Late, Pace, Phase
from kist.asgi.options import Deadlines
from kist.errors import Incomplete

SLACK = 5.0
POST = ("POST /v1/files HTTP/1.1", "Host: k", "Authorization: Bearer ann")


def hurried(**limits: float) -> AbstractContextManager[tuple[ToyKist, str]]:
    """A server with these limits that waits long for all else, lest it close a connection for another reason."""
    return served(deadlines=replace(PATIENT, **limits))


def closed_within(raw: Raw, seconds: float, since: float) -> tuple[bytes, float]:
    raw.socket.settimeout(seconds + SLACK)
    found = raw.rest()
    return found, time.monotonic() - since


def trickled(raw: Raw, block: bytes, seconds: float) -> bytes:
    """What a client hears that sends ``block`` again and again; nothing if it may do so for ``seconds``."""
    raw.socket.settimeout(0.02)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(ConnectionError):
            raw.socket.sendall(block)
        with suppress(TimeoutError):
            return raw.socket.recv(100)
    return b""


def test_a_connection_that_says_nothing() -> None:
    with hurried(headers=0.4) as (_, url):
        began = time.monotonic()
        with Raw(url) as raw:
            found, took = closed_within(raw, 0.4, began)
        assert (found, took >= 0.3) == (b"", True)


@unless_held_up
def test_half_a_head_and_a_head_that_comes_byte_by_byte() -> None:
    with hurried(headers=2, linger=5) as (_, url), Raw(url) as half, Raw(url) as slow:
        for raw in (half, slow):
            raw.socket.sendall(b"GET / HTTP/1.1\r\nHost: k\r\nX: ")
        assert trickled(slow, b"y", 2 + SLACK).startswith(b"HTTP/1.1 408 ")
        assert half.rest().startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_after_an_answer() -> None:
    with hurried(keep_alive=0.6) as (_, url), Raw(url) as raw:
        began = time.monotonic()
        raw.say("GET /healthz HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 200
        found, took = closed_within(raw, 0.6, began)
        assert (found, took >= 0.5) == (b"", True)


@unless_held_up
def test_a_second_request_has_its_own_deadline() -> None:
    with hurried(headers=1.5, keep_alive=5) as (_, url), Raw(url) as raw:
        raw.say("GET /healthz HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 200
        began = time.monotonic()
        raw.socket.sendall(b"GET /he")
        found, took = closed_within(raw, 5, began)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert took < 5


def test_a_body_that_stalls_is_incomplete() -> None:
    with hurried(body_idle=0.5) as (kist, url), Raw(url) as raw:
        began = time.monotonic()
        raw.say(*POST, "Content-Length: 100", body=b"x" * 50)
        status, headers, _ = raw.answer()
        assert (status, headers["connection"]) == (409, "close")
        assert 0.4 < time.monotonic() - began < 0.5 + SLACK
        raw.rest()
        assert [type(failure) for failure in kist.failures] == [Incomplete]
        assert kist.settled == []


def test_a_body_that_trickles_is_incomplete() -> None:
    with hurried(body_window=0.5, body_rate=1000, linger=5) as (_, url), Raw(url) as raw:
        raw.say(*POST, "Content-Length: 100000")
        found = trickled(raw, b"xx", 2 * 0.5 + SLACK)  # 100 bytes a second, never idle
        assert found.startswith(b"HTTP/1.1 409 ")


@unless_held_up
def test_a_slow_body_above_the_rate_is_taken() -> None:
    with hurried(body_idle=6, body_window=2, body_rate=1000) as (_, url), Raw(url) as raw:
        raw.say(*POST, "Content-Length: 48000")
        for _ in range(20):
            raw.socket.sendall(b"x" * 2400)  # one of them is enough for a window
            time.sleep(0.33)  # for three windows
        assert raw.answer()[0] == 201


@unless_held_up
def test_a_slow_handler_is_not_the_clients_fault() -> None:
    limits = {"headers": 1, "body_idle": 0.5, "body_window": 0.5, "write_idle": 0.5, "keep_alive": 0.6}
    with hurried(**limits) as (_, url), Raw(url) as raw:
        raw.say("POST /v1/files?settle=2 HTTP/1.1", *POST[1:], "Content-Length: 3", body=b"abc")
        assert raw.answer()[0] == 201


def test_a_client_that_does_not_read_its_answer() -> None:
    with hurried(write_idle=0.5) as (kist, url), Raw(url) as raw:
        raw.say("GET /v1/stream?blocks=1000&size=1000000 HTTP/1.1", "Host: k", "Authorization: Bearer ann")
        until(lambda: kist.closed)
        assert kist.closed == 1
        assert kist.pulled < 100_000_000


@unless_held_up
def test_many_slow_clients_do_not_hold_up_the_others() -> None:
    with hurried(headers=2, tick=0.1) as (_, url):
        slow = [Raw(url) for _ in range(300)]
        for number, raw in enumerate(slow):
            raw.socket.sendall((b"GET / HT", b"", b"POST /v1/files HTTP/1.1\r\nHost: k\r\n")[number % 3])
        with Raw(url) as raw:
            times = []
            for _ in range(50):
                began = time.monotonic()
                raw.say("GET /healthz HTTP/1.1", "Host: k")
                assert raw.answer()[0] == 200
                times.append(time.monotonic() - began)
        assert median(times) < 0.1
        for raw in slow:
            raw.socket.settimeout(2 + SLACK)
            raw.rest()
            raw.socket.close()


LIMITS = Deadlines(body_idle=30, body_window=30, body_rate=1024, write_idle=60)


def test_the_clock_of_a_body_stands_still_while_nobody_waits_for_it() -> None:
    pace = Pace(LIMITS, 0)
    pace.enter(Phase.EXCHANGE, 0)
    assert pace.body_late(100, None, 0) is None
    assert pace.body_late(101, 100.5, 0) is None
    assert pace.body_late(129, 128.9, 10) is None
    assert pace.body_late(131, 130.9, 10) is Late.BODY


def test_progress_counts_even_if_the_buffer_stays_as_full() -> None:
    pace = Pace(LIMITS, 0)
    assert pace.write_late(1, 1000, 500) is None
    assert pace.write_late(61, 2000, 500) is None
    assert pace.write_late(62, 3000, 1500) is None
    assert pace.write_late(121, 3000, 1500) is None
    assert pace.write_late(122, 3000, 1500) is Late.WRITE
