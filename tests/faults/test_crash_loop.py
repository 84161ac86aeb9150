"""Clients at work on a server that is killed again and again: what they were told is true, and nothing else is there.

R1 of the threats: no acknowledged file is lost after kill -9 at any instant.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.faults.rig.client import Answer, Client, NoAnswer, sha256
from tests.faults.rig.process import serving
from tests.faults.rig.site import Site, disk_site
from tests.servers.daemon import free_port

CLIENTS = 6
SIZES = (0, 10, 4096, 60_000, 300_000, 1_500_000)
AT_MOST = 40


@dataclass
class Worker:
    """One client, working on files of its own until it is told to stop."""

    client: Client
    number: int
    seed: int
    stop: threading.Event
    files: dict[str, str] = field(default_factory=dict)
    """Of the files whose state is known: their sha256."""
    made: int = 0
    wrong: list[str] = field(default_factory=list)

    def run(self) -> None:
        self._dice = random.Random(self.seed * 1000 + self.number)
        while not self.stop.is_set():
            answer = self._act()
            if answer is None:
                time.sleep(0.02)  # the server is being killed or started

    def _act(self) -> Answer | None:
        roll = self._dice.random()
        if not self.files or (roll < 0.45 and len(self.files) < AT_MOST):
            return self._put()
        file_id = self._dice.choice(sorted(self.files))
        if roll < 0.65:
            return self._replace(file_id)
        if roll < 0.75:
            return self._remove(file_id)
        if roll < 0.85:
            return self.client.rename(file_id, self._name())
        return self._read(file_id)

    def _name(self) -> str:
        self.made += 1
        return f"{self.number}-{self.made}"

    def _data(self) -> bytes:
        return self._dice.randbytes(self._dice.choice(SIZES))

    def _put(self) -> Answer | None:
        data = self._data()
        answer = self.client.put(self._name(), data, chunked=self._dice.random() < 0.3)
        if answer is not None and answer.status == 201:
            self.files[answer.json["id"]] = sha256(data)
        return answer

    def _replace(self, file_id: str) -> Answer | None:
        data = self._data()
        answer = self.client.replace(file_id, data)
        if answer is not None and answer.status == 200:
            self.files[file_id] = sha256(data)
        else:
            del self.files[file_id]
        return answer

    def _remove(self, file_id: str) -> Answer | None:
        del self.files[file_id]
        return self.client.remove(file_id)

    def _read(self, file_id: str) -> Answer | None:
        try:
            answer = self.client.content(file_id)
        except NoAnswer:
            return None
        if answer.whole and (answer.status != 200 or sha256(answer.body) != self.files[file_id]):
            self.wrong.append(f"{file_id} was answered with {answer.status} and {sha256(answer.body)}")
        return answer


def kill_again_and_again(site: Site, seconds: float, seed: int) -> int:
    """Let the clients work for so long. Returns how often the server was killed."""
    dice, kills, port = random.Random(seed), 0, free_port()
    stop = threading.Event()
    clients = [site.client(f"http://127.0.0.1:{port}", timeout=20) for _ in range(CLIENTS)]
    workers = [Worker(client, number, seed, stop) for number, client in enumerate(clients)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    options = ("--port", str(port), "--lease", "1", "--grace", "1", "--every", "0.3")
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        stack.callback(join, threads)
        stack.callback(stop.set)
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            with serving(site.settings, *options) as server:
                time.sleep(dice.uniform(0.05, 1.5))
                server.kill()
                kills += 1
    assert [wrong for worker in workers for wrong in worker.wrong] == []
    return kills


def join(threads: Iterable[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def check_all(site: Site) -> None:
    """The checker before and after the chores, and every file over HTTP."""
    assert site.violations(settled=False) == []
    site.recover()
    assert site.violations() == []
    with serving(site.settings) as server:
        client = site.client(server.url)
        listed = client.call("GET", "/v1/files?limit=1000").json["items"]
        for file in listed:
            assert sha256(client.content(file["id"]).body) == file["sha256"]
    assert len(listed) > CLIENTS


def test_killed_at_random(tmp_path: Path) -> None:
    site = disk_site(tmp_path / "home")
    site.fill()
    assert kill_again_and_again(site, 20, seed=1) >= 6
    check_all(site)


@pytest.mark.slow
def test_killed_at_random_for_long(tmp_path: Path) -> None:
    site = disk_site(tmp_path / "home")
    site.fill()
    until = time.monotonic() + float(os.environ.get("KILL_LOOP_SECONDS", "1800"))
    seed = 2
    while time.monotonic() < until:
        kill_again_and_again(site, 60, seed)
        check_all(site)
        seed += 1
