"""Clients at work on files of their own, for as long as an experiment lasts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.rig.client import Answer, Client, NoAnswer, sha256

SIZES = (0, 10, 4096, 60_000, 300_000, 1_500_000)
AT_MOST = 40

Choose = Callable[[random.Random], Client]


def one_of(clients: Sequence[Client], dice: random.Random) -> Client:
    """Any of them."""
    return dice.choice(clients)


@dataclass
class Worker:
    """One client, working on files of its own until it is told to stop. ``choose`` names the server for a request."""

    choose: Choose
    number: int
    seed: int
    stop: threading.Event
    files: dict[str, str] = field(default_factory=dict)
    """Of the files whose state is known: their sha256."""
    made: int = 0
    asked: int = 0
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Of the requests that were not answered as they should be: what was asked, and what came."""

    def run(self) -> None:
        self._dice = random.Random(self.seed * 1000 + self.number)
        while not self.stop.is_set():
            verb, answer = self._act()
            self.asked += 1
            if answer is None or not answer.whole or answer.status >= 400:
                came = "nothing" if answer is None else f"{answer.status} {answer.body[:200]!r}"
                self.failed.append(f"{verb}: {came}")
            if answer is None:
                time.sleep(0.02)  # the server is being killed or started

    def _act(self) -> tuple[str, Answer | None]:
        self._client = self.choose(self._dice)
        roll = self._dice.random()
        if not self.files or (roll < 0.45 and len(self.files) < AT_MOST):
            return "put", self._put()
        file_id = self._dice.choice(sorted(self.files))
        if roll < 0.65:
            return "replace", self._replace(file_id)
        if roll < 0.75:
            return "remove", self._remove(file_id)
        if roll < 0.85:
            return "rename", self._client.rename(file_id, self._name())
        return "read", self._read(file_id)

    def _name(self) -> str:
        self.made += 1
        return f"{self.number}-{self.made}"

    def _data(self) -> bytes:
        return self._dice.randbytes(self._dice.choice(SIZES))

    def _put(self) -> Answer | None:
        data = self._data()
        answer = self._client.put(self._name(), data, chunked=self._dice.random() < 0.3)
        if answer is not None and answer.status == 201:
            self.files[answer.json["id"]] = sha256(data)
        return answer

    def _replace(self, file_id: str) -> Answer | None:
        data = self._data()
        answer = self._client.replace(file_id, data)
        if answer is not None and answer.status == 200:
            self.files[file_id] = sha256(data)
        else:
            del self.files[file_id]
        return answer

    def _remove(self, file_id: str) -> Answer | None:
        del self.files[file_id]
        return self._client.remove(file_id)

    def _read(self, file_id: str) -> Answer | None:
        try:
            answer = self._client.content(file_id)
        except NoAnswer:
            return None
        if (
            answer.whole
            and answer.status < 500
            and (answer.status != 200 or sha256(answer.body) != self.files[file_id])
        ):
            self.wrong.append(f"{file_id} was answered with {answer.status} and {sha256(answer.body)}")
        return answer


@contextmanager
def at_work(choices: list[Choose], seed: int) -> Iterator[list[Worker]]:
    """A worker for each of ``choices``, for the length of the block. Nothing that they were told may be wrong."""
    stop = threading.Event()
    workers = [Worker(choose, number, seed, stop) for number, choose in enumerate(choices)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield workers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [wrong for worker in workers for wrong in worker.wrong] == []
