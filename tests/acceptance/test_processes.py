"""``kist serve --workers``: several processes on one socket, which end, are exchanged and are stopped."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import urllib3
from tests.acceptance.test_cli_serve import Served, key_in, refused, served
from tests.servers.pauses import PATIENT

SECONDS = 30.0
WEB = urllib3.PoolManager(timeout=SECONDS)


@pytest.fixture(params=["sqlite", "postgresql"])
def many(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    rows = {}
    if request.param == "postgresql":
        rows = {"KIST_DATABASE": request.getfixturevalue("database"), "KIST_SECRET": "b7e1f0c4d2a893567e1f0c4d2a893567"}
        rows |= PATIENT
    with served(tmp_path, "--workers", "2", **rows) as found:
        yield found


def children(served: Served) -> list[int]:
    text = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text()
    return sorted(int(part) for part in text.split())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it has not come to be in time"
        time.sleep(0.05)


def is_refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def takes_connections(pid: int) -> bool:
    """Whether that process still listens: one that was told to go does not."""
    try:
        return any(each.status == psutil.CONN_LISTEN for each in psutil.Process(pid).net_connections())
    except psutil.NoSuchProcess:
        return False


def begin_upload(served: Served, size: int) -> socket.socket:
    """The connection of an upload of ``size`` bytes that a process has begun to read."""
    host, port = served.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), SECONDS)
    key = urllib3.make_headers(basic_auth=f":{key_in(served.greeting)}")["authorization"]
    head = ("POST /v1/files?name=slow HTTP/1.1", "Host: k", f"Authorization: {key}", "Content-Type: text/plain")
    lines = (*head, f"Content-Length: {size}", "Expect: 100-continue", "", "")
    connection.sendall("\r\n".join(lines).encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    return connection


class Users:
    """Uploads from several threads on kept connections, for as long as the block runs, and what came of them."""

    def __init__(self, served: Served) -> None:
        self._address = served.url.removeprefix("http://")
        self._headers = urllib3.make_headers(basic_auth=f":{key_in(served.greeting)}")
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._upload) for _ in range(4)]
        self.done: list[str] = []
        self.failed: list[str] = []

    def __enter__(self) -> Users:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(SECONDS)

    def _upload(self) -> None:
        connection, used = http.client.HTTPConnection(self._address, timeout=SECONDS), False
        body, type = urllib3.encode_multipart_formdata({"file": ("a.txt", b"data")})
        while not self._over.is_set():
            try:
                connection.request("POST", "/v1/files", body, self._headers | {"Content-Type": type})
                answer = connection.getresponse()
                (self.done if answer.status == 201 else self.failed).append(answer.read().decode())
                used = True
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if not used:  # else it was kept, and closed before this request
                    self.failed.append(repr(error))
                used = False
        connection.close()

    def wait_for(self, more: int) -> None:
        wanted = len(self.done) + more
        until(lambda: len(self.done) >= wanted)


def count(served: Served) -> int:
    """How many files there are, asked of whichever process answers."""
    headers = urllib3.make_headers(basic_auth=f":{key_in(served.greeting)}")
    number, after = 0, ""
    while True:
        answer = WEB.request("GET", f"{served.url}/v1/files?limit=1000{after}", headers=headers)
        page = json.loads(answer.data)
        number += len(page["items"])
        if not page.get("next"):
            return number
        after = f"&cursor={page['next']}"


def test_all_processes_serve_one_home(many: Served) -> None:
    assert len(children(many)) == 2
    with Users(many) as users:
        users.wait_for(40)
    assert users.failed == []
    assert count(many) == len(users.done)


def test_one_that_is_killed_is_replaced(many: Served) -> None:
    before = children(many)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(children(many)) == 2 and before[0] not in children(many))
    with Users(many) as users:
        users.wait_for(10)
    assert users.failed == []


def test_they_are_exchanged_without_a_failed_request(many: Served) -> None:
    before = children(many)
    with Users(many) as users:
        users.wait_for(10)
        many.process.send_signal(signal.SIGHUP)
        until(lambda: len(children(many)) == 2 and not set(before) & set(children(many)))
        users.wait_for(10)
    assert users.failed == []
    assert count(many) == len(users.done)  # nothing was done of which nobody was told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all(many: Served, number: signal.Signals) -> None:
    before = children(many)
    many.process.send_signal(number)
    assert many.process.wait(SECONDS) == 0
    assert not any(is_running(pid) for pid in before)


def test_a_stop_after_an_exchange_cuts_nothing_off(many: Served) -> None:
    """A process that was told to go is told to stop as well: for it that is no second signal."""
    host, port = many.url.removeprefix("http://").split(":")
    before = children(many)
    with begin_upload(many, 6) as connection:
        connection.sendall(b"sl")
        many.process.send_signal(signal.SIGHUP)
        until(lambda: not any(takes_connections(pid) for pid in before))
        many.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(host, int(port)))
        time.sleep(0.5)
        connection.sendall(b"ow!!")
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")
    assert many.process.wait(SECONDS) == 0


def test_new_connections_are_refused_while_they_stop(many: Served) -> None:
    host, port = many.url.removeprefix("http://").split(":")
    with begin_upload(many, 5):
        many.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(host, int(port)))
        assert many.process.poll() is None, "they refuse while they still wait for the one under way"


@pytest.mark.parametrize("turn", range(4))
def test_uses_of_links_are_counted_whichever_process_answered(many: Served, turn: int) -> None:
    """More often than one of them writes down what all have counted."""
    headers = urllib3.make_headers(basic_auth=f":{key_in(many.greeting)}")
    body, type = urllib3.encode_multipart_formdata({"file": ("a.txt", b"data")})
    file = WEB.request("POST", f"{many.url}/v1/files", body=body, headers=headers | {"Content-Type": type}).json()
    made = WEB.request("POST", f"{many.url}/v1/links", json={"files": [file["id"]]}, headers=headers).json()
    for _ in range(20):
        url = made["links"][file["id"]]["url"]
        assert WEB.request("GET", url, headers={"Connection": "close"}).status == 200
    until(lambda: all(re.search(r"kist_link_uses_waiting\S* 0\.0\n", _metrics(many, headers)) for _ in range(20)))


def test_the_numbers_of_each_process_are_told_apart(many: Served) -> None:
    """Whichever answers, its counts only grow, and what all share has no process."""
    headers = urllib3.make_headers(basic_auth=f":{key_in(many.greeting)}")
    last: dict[str, float] = {}
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        text = _metrics(many, headers)
        found = re.findall(r'^kist_requests_total\{.*process="(\d)",route="metrics".*\} (\S+)', text, re.MULTILINE)
        for process, value in found:
            assert float(value) > last.get(process, 0)
            last[process] = float(value)
        assert len(found) <= 1
        assert re.search(r"^kist_files \d", text, re.MULTILINE)

    def both_have_answered() -> bool:
        ask()
        return sorted(last) == ["1", "2"]

    for _ in range(40):
        ask()
    until(both_have_answered)  # one may be held up meanwhile
    assert asked - 4 <= sum(last.values()) <= asked  # each is counted after its answer


def _metrics(served: Served, headers: dict[str, str]) -> str:
    """Of whichever process answers."""
    return WEB.request("GET", f"{served.url}/metrics", headers=headers | {"Connection": "close"}).data.decode()


def test_they_do_not_outlive_the_one_that_started_them(many: Served) -> None:
    before = children(many)
    many.process.kill()
    until(lambda: not any(is_running(pid) for pid in before))


def test_memory_is_not_shared(tmp_path: Path) -> None:
    said = refused(tmp_path, "serve", "--port", "0", "--workers", "2", KIST_DATABASE="memory:", KIST_STORE="memory:")
    assert "KIST_STORE is memory, which processes do not share: leave --workers out" in said
