"""A disk that is full or spoilt, a database that is locked, two servers on one home: seen through a whole Kist."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.faults.rig.client import Answer, NoAnswer
from tests.faults.rig.process import PATIENCE, Server, serving
from tests.faults.rig.site import OLD, Site, disk_site

from kist.testing.checker import Folder

NEW = b"new content " * 1000
LARGE = b"new content " * 200_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = disk_site(tmp_path / "home")
    site.fill()
    return site


def check_recovery(site: Site) -> None:
    assert site.violations(settled=False) == []
    site.recover()
    assert site.violations() == []


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[None]:
    """A file system of its own at ``folder``; skips where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["size=2m", "nr_inodes=12"])
def cramped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site whose store is on a disk with little room; the database is elsewhere."""
    disk = tmp_path / "disk"
    with tmpfs(disk, request.param):
        site = Site(tmp_path / "home", {"KIST_STORE": f"disk:{quote(str(disk))}"}, Folder(disk))
        site.fill()
        yield site


def test_disk_full(cramped: Site) -> None:
    """R9: 507 at once, no partial file, reads and removals go on, and there is room again after a removal."""
    with serving(cramped.settings, "--grace", "0", "--every", "0.1") as server:
        client = cramped.client(server.url)
        made: list[str] = []
        status = 201
        while status == 201:
            answer = client.put("more", NEW * 20, chunked=True)
            assert answer is not None
            status = answer.status
            if status == 201:
                made.append(answer.json["id"])
        assert status == 507
        refused = client.replace(cramped.kept, LARGE)
        assert refused is not None
        assert refused.status == 507
        assert client.content(cramped.kept).body == OLD
        for file_id in made[:2]:
            removed = client.remove(file_id)
            assert removed is not None
            assert removed.status == 204
        give_up = time.monotonic() + 30
        again = client.put("again", NEW)
        while again is None or again.status != 201:
            assert time.monotonic() < give_up
            time.sleep(0.1)
            again = client.put("again", NEW)
        assert client.content(again.json["id"]).body == NEW
        assert server.stop() == 0
    check_recovery(cramped)


def test_disk_of_the_database_full(tmp_path: Path) -> None:
    """R9: changes are refused at once with 507, reads go on, and so do changes when there is room again."""
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=4m"):
        store = tmp_path / "store"
        site = Site(disk / "home", {"KIST_STORE": f"disk:{quote(str(store))}"}, Folder(store))
        site.ledger.path = tmp_path / "log.jsonl"
        site.fill()
        with serving(site.settings, log=tmp_path / "server.log") as server:
            client = site.client(server.url)
            ballast = disk / "ballast"
            fill(ballast)
            numbers = itertools.count()

            def timed_refusal() -> float:
                status = 201
                while status == 201:
                    began = time.monotonic()
                    answer = client.put(f"more {next(numbers)}", NEW)
                    assert answer is not None
                    status = answer.status
                assert status == 507
                return time.monotonic() - began

            assert min(timed_refusal() for _ in range(3)) < 1
            assert client.content(site.kept).body == OLD
            assert client.call("GET", "/v1/files").status == 200
            ballast.unlink()
            good = client.put("good", NEW)
            assert good is not None
            assert good.status == 201
            assert server.stop() == 0
        check_recovery(site)


def fill(ballast: Path) -> None:
    """Take all the room that is left."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@pytest.mark.parametrize("spoil", ["missing", "short", "long"])
def test_object_spoilt(site: Site, spoil: str) -> None:
    """A download of what is not as it was put never ends as if it were."""
    with serving(site.settings) as server:
        client = site.client(server.url)
        answer = client.put("spoilt", LARGE)
        assert answer is not None
        with closing(sqlite3.connect(site.database)) as connection:
            (key,) = connection.execute("SELECT key FROM files WHERE name = 'spoilt'").fetchone()
        found = site.home / "objects" / "kist" / key
        if spoil == "missing":
            found.unlink()
        else:
            found.write_bytes(LARGE[:-5] if spoil == "short" else LARGE + b"more")
        try:
            got = client.content(answer.json["id"])
        except NoAnswer:
            got = None
        assert got is None or got.status == 500 or not got.whole
    assert [violation[:2] for violation in site.violations()] == ["I2"]


@contextmanager
def asked_while_locked(site: Site, server: Server) -> Iterator[tuple[threading.Thread, list[Answer | None]]]:
    """Somebody puts a file, with the answer to come in the list, while another program holds the lock: for the length
    of the block."""
    client, answers = site.client(server.url), list[Answer | None]()
    with closing(sqlite3.connect(site.database, isolation_level=None, timeout=PATIENCE)) as other:
        other.execute("BEGIN IMMEDIATE")
        asking = threading.Thread(target=lambda: answers.append(client.put("waiting", NEW)))
        asking.start()
        assert client.content(site.kept).body == OLD, "reads never wait"
        yield asking, answers
        other.execute("COMMIT")
    asking.join()


def check_changes_go_on(site: Site, server: Server) -> None:
    good = site.client(server.url).put("good", NEW)
    assert good is not None
    assert good.status == 201
    assert server.stop() == 0
    check_recovery(site)


def test_database_locked_for_a_while(site: Site) -> None:
    """R10: another program that holds the lock is waited for; on a machine that pauses it may hold it for longer."""
    with serving(site.settings) as server:
        statuses: list[int | None] = []
        while 201 not in statuses:
            assert len(statuses) < 4
            with asked_while_locked(site, server) as (asking, answers):
                asking.join(2)
                assert answers == [] or (answers[0] is not None and answers[0].status == 503)
            statuses += [answer.status if answer else None for answer in answers]
        check_changes_go_on(site, server)


def test_database_locked_for_long(site: Site) -> None:
    """R10: it is not waited for for ever."""
    with serving(site.settings) as server:
        with asked_while_locked(site, server) as (asking, answers):
            asking.join(PATIENCE)
            (answer,) = answers
        assert answer is not None
        assert (answer.status, answer.json["code"]) == (503, "catalogue_busy")
        assert int(answer.headers["retry-after"]) > 0
        check_changes_go_on(site, server)


def test_two_servers_on_one_home(site: Site) -> None:
    """No errors at either, and each serves what the other took."""
    options = ("--lease", "30", "--grace", "0", "--every", "0.1")
    statuses: list[int] = []
    with serving(site.settings, *options) as first, serving(site.settings, *options) as second:
        clients = [site.client(server.url) for server in (first, second)]

        def work(number: int) -> None:
            mine, yours = clients[number % 2], clients[1 - number % 2]
            for turn in range(15):
                put = mine.put(f"{number} {turn}", NEW + bytes([number, turn]))
                assert put is not None
                file_id = put.json["id"]
                replaced = yours.replace(file_id, OLD + bytes([number, turn]))
                renamed = mine.rename(file_id, f"renamed {number} {turn}")
                read = mine.content(file_id)
                assert read.body == OLD + bytes([number, turn])
                answers = [put, replaced, renamed, read]
                answers += [yours.remove(file_id)] if turn % 3 == 0 else []
                statuses.extend(answer.status if answer else 0 for answer in answers)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(statuses) == 6 * (15 * 4 + 5)
        assert set(statuses) == {200, 201, 204}
        assert (first.stop(), second.stop()) == (0, 0)
    check_recovery(site)
    assert len(site.contents()) == 1 + 6 * 10
