"""Clients that leave, uploads that are too many, and a server that stops (T51, T55, R13, R18)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.asgi.toy import PATIENT, Raw, ToyKist, refuses, served, until

from kist.asgi.exchange import READ_HIGH
from kist.errors import Incomplete

POST = ("POST /v1/files HTTP/1.1", "Host: k", "Authorization: Bearer ann")
HELD = ("POST /v1/held HTTP/1.1", "Host: k", "Authorization: Bearer ann")
ROOT = Path(__file__).parents[2]


def reset(raw: Raw) -> None:
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.socket.close()


@pytest.mark.parametrize("leave", [lambda raw: raw.socket.close(), reset])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_half_a_body_is_incomplete(leave: Callable[[Raw], None], framing: str) -> None:
    with served() as (kist, url):
        raw = Raw(url)
        raw.say(*POST, framing, body=b"64\r\n" + b"x" * 50)
        until(lambda: kist.pulled)
        leave(raw)
        until(lambda: kist.failures)
        assert [type(failure) for failure in kist.failures] == [Incomplete]
        assert kist.settled == []


def test_a_half_closed_client_still_gets_its_answer() -> None:
    soon = replace(PATIENT, linger=0.5)  # nobody can hear when a client that has said its last word goes
    with served(deadlines=soon) as (_, url), Raw(url) as raw:
        raw.say(*POST, "Content-Length: 100", body=b"x" * 50)
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer()[0] == 409
        assert raw.rest() == b""
    with served() as (_, url), Raw(url) as raw:
        raw.say("POST /v1/files?settle=0.2 HTTP/1.1", *POST[1:], "Content-Length: 3", body=b"abc")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer()[0] == 201


def test_settling_goes_on_when_the_client_hangs_up() -> None:
    with served() as (kist, url):
        raw = Raw(url)
        raw.say("POST /v1/files?settle=0.3 HTTP/1.1", *POST[1:], "Content-Length: 3", body=b"abc")
        until(lambda: kist.pulled)
        reset(raw)
        until(lambda: kist.settled)
        assert kist.settled == [3]


def test_a_download_ends_when_the_client_leaves() -> None:
    with served() as (kist, url):
        raw = Raw(url)
        raw.say("GET /v1/stream?blocks=1000&size=1000000 HTTP/1.1", "Host: k", "Authorization: Bearer ann")
        raw.socket.recv(1000)
        reset(raw)
        until(lambda: kist.closed)
        assert kist.pulled < 100_000_000


def test_no_more_is_read_than_the_handler_takes() -> None:
    with served() as (_, url), Raw(url) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        raw.say(*HELD, f"Content-Length: {1 << 30}")
        raw.socket.settimeout(0.3)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 1 << 30:
                sent += raw.socket.send(b"x" * 65536)
        assert sent < 4 * READ_HIGH + (8 << 20)  # what the server holds, and the buffers of two sockets
        reset(raw)


def test_uploads_have_slots() -> None:
    with served(uploads=3, uploads_per_address=2) as (kist, url):
        held = [Raw(url) for _ in range(2)]
        for raw in held:
            raw.say(*HELD, "Content-Length: 3", "Expect: 100-continue")
        until(lambda: kist.held == 2)
        with Raw(url) as third:
            third.say(*HELD, "Content-Length: 1000000", "Expect: 100-continue")
            status, headers, body = third.answer()
            assert (status, json.loads(body)["code"], headers["retry-after"]) == (429, "too_many", "5")
        with Raw(url) as other:
            other.say("GET /v1/things HTTP/1.1", *POST[1:])
            assert other.answer()[0] == 200
        release(kist)
        for raw in held:
            assert raw.answer()[0] == 100
            raw.socket.sendall(b"abc")
            assert raw.answer()[0] == 201
            raw.socket.close()
        with Raw(url) as again:
            again.say(*POST, "Content-Length: 3", body=b"abc")
            assert again.answer()[0] == 201


def test_the_addresses_of_one_ipv6_subscriber_share_their_slots() -> None:
    with served(trusted_proxies=("127.0.0.1",), uploads_per_address=1) as (kist, url), Raw(url) as held:
        held.say(*HELD, "X-Forwarded-For: 2001:db8:1:2::1", "Content-Length: 3")
        until(lambda: kist.held)
        with Raw(url) as other:
            other.say(*HELD, "X-Forwarded-For: 2001:db8:1:2:ffff::2", "Content-Length: 1000000", "Expect: 100-continue")
            assert other.answer()[0] == 429
        release(kist)
        held.socket.sendall(b"abc")
        assert held.answer()[0] == 201


def test_a_full_server_is_busy() -> None:
    with served(uploads=1) as (kist, url), Raw(url) as first, Raw(url) as second:
        first.say(*HELD, "Content-Length: 3")
        until(lambda: kist.held)
        second.say(*HELD, "Content-Length: 1000000", "Expect: 100-continue")
        status, headers, body = second.answer()
        assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "busy", "5")
        release(kist)
        first.socket.sendall(b"abc")
        assert first.answer()[0] == 201


def release(kist: ToyKist) -> None:
    loop = kist.gate._loop  # type: ignore[attr-defined]  # the gate was waited for, so it knows its loop
    loop.call_soon_threadsafe(kist.gate.set)


SERVER = """
import sys
from tests.unit.asgi.toy import ToyKist, make
from kist.asgi.options import Deadlines
from kist.asgi.serving import address_of, bind, run, serve

async def main():
    listener = bind("127.0.0.1", 0)
    app = make(ToyKist(), deadlines=Deadlines(drain=float(sys.argv[1]), notice=float(sys.argv[2])))
    await serve(app, listener, started=lambda: print(address_of(listener), flush=True))

run(main())
"""


class Child:
    """A server in a process of its own."""

    def __init__(self, drain: float, notice: float = 2) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(drain), str(notice)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop_listening(self) -> None:
        """Stop it, and come back when it takes no more connections."""
        self.stop()
        until(lambda: refuses(self.url))


def begin_upload(raw: Raw) -> None:
    """Come back when the server reads the body of an upload of 300 kB."""
    raw.say(*POST, "Content-Length: 300000", "Expect: 100-continue")
    assert raw.answer()[0] == 100


def slow_upload(url: str, answers: list[int], began: threading.Barrier, refusing: threading.Event) -> None:
    with Raw(url) as raw:
        begin_upload(raw)
        raw.socket.sendall(b"x" * 100_000)
        began.wait(30)
        refusing.wait(30)
        for _ in range(4):
            time.sleep(0.25)
            raw.socket.sendall(b"x" * 50_000)
        answers.append(raw.answer()[0])


def test_stopping_loses_no_upload_and_takes_no_new_connection() -> None:
    answers: list[int] = []
    began, refusing = threading.Barrier(21), threading.Event()
    with Child(drain=30) as child:
        args = (child.url, answers, began, refusing)
        uploads = [threading.Thread(target=slow_upload, args=args, daemon=True) for _ in range(20)]
        for upload in uploads:
            upload.start()
        began.wait(30)
        child.stop_listening()  # while all uploads are under way
        refusing.set()
        for upload in uploads:
            upload.join(30)
        assert child.process.wait(30) == 0
    assert answers == [201] * 20


def test_an_idle_connection_hears_that_the_server_stops() -> None:
    with Child(drain=30, notice=20) as child, Raw(child.url) as raw:
        raw.say("GET /healthz HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 200
        child.stop_listening()
        raw.say(*POST, "Content-Length: 3", body=b"abc")
        status, headers, _ = raw.answer()
        assert (status, headers["connection"]) == (201, "close")  # the last that is answered there
        assert raw.rest() == b""
        assert child.process.wait(30) == 0


def test_an_idle_connection_is_closed_when_the_server_stops() -> None:
    with Child(drain=30, notice=0.5) as child, Raw(child.url) as raw, Raw(child.url) as idle:
        raw.say("GET /healthz HTTP/1.1", "Host: k")
        assert raw.answer()[0] == 200
        child.stop()
        assert (raw.rest(), idle.rest()) == (b"", b"")
        assert child.process.wait(30) == 0


def test_a_download_under_way_is_finished_and_then_closed() -> None:
    with Child(drain=30) as child, Raw(child.url) as raw:
        raw.say("GET /v1/stream?blocks=100&size=1000000 HTTP/1.1", "Host: k", "Authorization: Bearer ann")
        raw.heard += raw.socket.recv(1000)
        child.stop_listening()
        assert len(raw.rest()) > 100_000_000
        assert child.process.wait(30) == 0


@pytest.mark.parametrize("again", [False, True])
def test_what_does_not_finish_is_cut_off(again: bool) -> None:
    with Child(drain=30 if again else 0.5) as child, Raw(child.url) as raw:
        begin_upload(raw)
        raw.socket.sendall(b"x")
        child.stop_listening()
        if again:
            child.stop()
        assert raw.rest() == b""
        assert child.process.wait(30) == 0
