"""Clients that are too slow are closed by their deadline, and nobody else notices (T55)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.unit.asgi.toy import QUICK, Raw, ToyKist, served

from kist.asgi.deadlines import Late, Pace, Phase
from kist.asgi.options import Deadlines
from kist.errors import Incomplete

SLACK = 1.0
POST = ("POST /v1/files HTTP/1.1", "Host: k", "Authorization: Bearer ann")


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[ToyKist, str]]:
    with served() as found:
        yield found


def closed_within(raw: Raw, seconds: float) -> tuple[bytes, float]:
    began = time.monotonic()
    raw.socket.settimeout(seconds + SLACK)
    found = raw.rest()
    return found, time.monotonic() - began


def test_a_connection_that_says_nothing(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        found, took = closed_within(raw, QUICK.headers)
        assert (found, took >= QUICK.headers - 0.1) == (b"", True)


def test_half_a_head_and_a_head_that_comes_byte_by_byte(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.socket.sendall(b"GET / HTTP/1.1\r\nHost: k\r\nX: ")
        assert closed_within(raw, QUICK.headers)[0].startswith(b"HTTP/1.1 408 ")
    with Raw(site[1]) as raw:
        began = time.monotonic()
        try:
            while time.monotonic() - began < QUICK.headers + SLACK:
                raw.socket.sendall(b"G" if time.monotonic() - began < 0.02 else b"\r\nX: y"[:1])
                time.sleep(0.02)
        except OSError:
            pass
        assert time.monotonic() - began < QUICK.headers + SLACK


def test_an_idle_connection_after_an_answer(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.say("GET /healthz HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 200
        found, took = closed_within(raw, QUICK.keep_alive)
        assert (found, took >= QUICK.keep_alive - 0.1) == (b"", True)


def test_a_second_request_has_its_own_deadline(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.say("GET /healthz HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 200
        raw.socket.sendall(b"GET /he")
        found, took = closed_within(raw, QUICK.headers)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert took < QUICK.keep_alive


def test_a_body_that_stalls_is_incomplete(site: tuple[ToyKist, str]) -> None:
    kist, url = site
    kist.failures.clear()
    with Raw(url) as raw:
        raw.say(*POST, "Content-Length: 100", body=b"x" * 50)
        began = time.monotonic()
        status, headers, _ = raw.answer()
        assert (status, headers["connection"]) == (409, "close")
        assert QUICK.body_idle - 0.1 < time.monotonic() - began < QUICK.body_idle + SLACK
        raw.rest()
    assert [type(failure) for failure in kist.failures] == [Incomplete]
    assert kist.settled == []


def test_a_body_that_trickles_is_incomplete(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.say(*POST, "Content-Length: 100000")
        raw.socket.settimeout(0.02)
        began, found = time.monotonic(), b""
        while not found and time.monotonic() - began < 4:
            raw.socket.sendall(b"xx")  # 100 bytes a second, never idle
            try:
                found = raw.socket.recv(100)
            except TimeoutError:
                continue
        assert found.startswith(b"HTTP/1.1 409 ")
        assert time.monotonic() - began < 2 * QUICK.body_window + SLACK


def test_a_slow_body_above_the_rate_is_taken(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.say(*POST, "Content-Length: 6000")
        for _ in range(20):
            raw.socket.sendall(b"x" * 300)
            time.sleep(0.08)  # 3,750 bytes a second, for three windows
        assert raw.answer()[0] == 201


def test_a_slow_handler_is_not_the_clients_fault(site: tuple[ToyKist, str]) -> None:
    with Raw(site[1]) as raw:
        raw.say("POST /v1/files?settle=1.2 HTTP/1.1", *POST[1:], "Content-Length: 3", body=b"abc")
        assert raw.answer()[0] == 201


def test_a_client_that_does_not_read_its_answer(site: tuple[ToyKist, str]) -> None:
    kist, url = site
    closed, pulled = kist.closed, kist.pulled
    with Raw(url) as raw:
        raw.say("GET /v1/stream?blocks=1000&size=1000000 HTTP/1.1", "Host: k", "Authorization: Bearer ann")
        deadline = time.monotonic() + QUICK.write_idle + SLACK
        while kist.closed == closed and time.monotonic() < deadline:
            time.sleep(0.02)
    assert kist.closed == closed + 1
    assert kist.pulled - pulled < 100_000_000


def test_many_slow_clients_do_not_hold_up_the_others() -> None:
    with served(deadlines=Deadlines(headers=1.0, tick=0.1)) as (_, url):
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
        assert sorted(times)[-2] < 0.1
        time.sleep(1.5)
        for raw in slow:
            raw.socket.settimeout(SLACK)
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
