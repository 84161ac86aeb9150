"""Readers beside writers: each sees one whole version, also while its file is replaced, removed and erased."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.faults.rig.client import Client, sha256
from tests.faults.rig.process import Server, serving
from tests.faults.rig.site import OLD, Site, disk_site, s3_site
from tests.servers.server import S3Server

WRITERS, READERS, SECONDS, PATIENCE = 4, 8, 3.0, 30.0
LARGE = b"large content " * 1_000_000


@pytest.fixture(params=["disk", "s3"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "disk":
        site = disk_site(tmp_path / "home")
    else:
        rgw: S3Server = request.getfixturevalue("rgw")
        site = s3_site(tmp_path / "home", rgw)
    site.fill()
    return site


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with serving(site.settings, "--every", "0.2") as server:
        yield server


def all_at_once(*works: Callable[[], None]) -> None:
    """Run each in a thread of its own; the first that fails fails the test."""
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_replaced_under_readers(site: Site, server: Server) -> None:
    """R5: every read is one of the versions written, as its ETag says; none is torn, none misses."""
    client = site.client(server.url)
    written = {sha256(OLD)}
    reads: list[str] = []
    began = time.monotonic()

    def going_on() -> bool:
        """Until the time is over, and even a machine that stood still meanwhile has read several versions."""
        took = time.monotonic() - began
        return took < SECONDS or (len(set(reads)) < 2 and took < PATIENCE)

    def write(number: int) -> None:
        turn = 0
        while going_on():
            turn += 1
            data = bytes([number, turn % 256]) * (50_000 + 1000 * turn)
            written.add(sha256(data))
            answer = client.call("PUT", f"/v1/files/{site.kept}/content", data)
            assert answer.status == 200, answer.body

    def read() -> None:
        while going_on():
            answer = client.content(site.kept)
            assert (answer.status, answer.whole) == (200, True)
            assert answer.headers["etag"] == f'"{sha256(answer.body)}"'
            reads.append(sha256(answer.body))

    def read_joined() -> None:
        """The second half only together with the first half of the same version."""
        while going_on():
            start = client.content(site.kept, Range="bytes=0-9999")
            etag = start.headers["etag"]
            rest = client.content(site.kept, **{"Range": "bytes=10000-", "If-Range": etag})
            body = start.body + rest.body if rest.status == 206 else rest.body
            assert f'"{sha256(body)}"' == rest.headers["etag"]
            reads.append(sha256(body))

    all_at_once(*[partial(write, number) for number in range(WRITERS)], *[read] * (READERS - 2), *[read_joined] * 2)
    assert set(reads) <= written
    assert len(set(reads)) > 1


@pytest.mark.parametrize("change", ["replace", "remove"])
def test_changed_while_it_is_read(site: Site, server: Server, change: str) -> None:
    """X3: who has begun to read gets to the end of what it began."""
    client = site.client(server.url)
    made = client.put("large", LARGE)
    assert made is not None
    file_id = made.json["id"]
    with slow_reading(server.url, site.key, file_id) as reading:
        first = reading.read(100_000)
        answer = client.replace(file_id, OLD) if change == "replace" else client.remove(file_id)
        assert answer is not None
        assert answer.status in (200, 204)
        time.sleep(0.5)  # the chores run meanwhile
        assert sha256(first + reading.read()) == sha256(LARGE)
    server.stop()
    site.recover(after=600)
    assert site.violations() == []


def slow_reading(url: str, key: str, file_id: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", f"/v1/files/{file_id}/content", headers={"Authorization": f"Bearer {key}"})
    reading = connection.getresponse()
    connection.sock.close()  # the answer holds the socket as long as it is read
    return reading


@pytest.mark.parametrize("together", [8])
def test_one_request_sent_many_times_at_once(site: Site, server: Server, together: int) -> None:
    """R4: with one idempotency key, one file; the others are told so, or that it is under way."""
    client: Client = site.client(server.url)
    number = site.ledger.ask("put", name="once", sha256=sha256(LARGE[:3_000_000]))
    answers = []

    def ask() -> None:
        headers = {"Idempotency-Key": "once"}
        answers.append(client.call("POST", "/v1/files?name=once", LARGE[:3_000_000], headers))

    all_at_once(*[ask] * together)
    ask()
    assert {answer.status for answer in answers} <= {201, 409}
    assert answers[-1].status == 201
    assert {answer.json["id"] for answer in answers if answer.status == 201} == {answers[-1].json["id"]}
    site.ledger.done(number, answers[-1].json["id"])
    server.stop()
    site.recover()
    assert site.violations() == []
