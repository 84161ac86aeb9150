"""Who writes to a SQLite database: one thread at a time; none waits for itself or for a transaction of its caller."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.django_host.databases import alias_for, in_process

in_process()

from django.db import connections, transaction  # noqa: E402

from kist.django import turns  # noqa: E402
from kist.django.turns import turn  # noqa: E402
from kist.errors import CatalogueBusy  # noqa: E402

PATIENT = 60.0
"""Seconds for what comes at once, where the machine does not stand still meanwhile."""


@pytest.fixture
def alias(tmp_path: Path) -> Iterator[str]:
    with alias_for(f"sqlite:///{tmp_path / 'db.sqlite3'}") as found:
        yield found


def in_thread(alias: str, work: object) -> threading.Thread:
    """Have a thread do the work in its turn."""

    def run() -> None:
        with turn(alias):
            assert callable(work)
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@contextmanager
def taken(alias: str) -> Iterator[None]:
    """Another thread has the turn for the length of the block."""
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        done.wait(PATIENT)

    other = in_thread(alias, work)
    assert begun.wait(PATIENT)
    try:
        yield
    finally:
        done.set()
        other.join(PATIENT)


def test_one_thread_at_a_time(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", PATIENT)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.002)
        inside.pop()

    for thread in [in_thread(alias, work) for _ in range(16)]:
        thread.join()
    assert most == [1] * 16


def test_a_thread_does_not_wait_for_itself(alias: str) -> None:
    with turn(alias), turn(alias):
        pass
    other = in_thread(alias, lambda: None)
    other.join(PATIENT)
    assert not other.is_alive()


def test_nobody_waits_inside_a_transaction_of_the_callers(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    with taken(alias):
        with transaction.atomic(using=alias), turn(alias):
            assert connections[alias].in_atomic_block
        with pytest.raises(CatalogueBusy), turn(alias):
            pass
    with turn(alias):
        pass


def test_processes_take_turns_by_the_file_that_the_server_uses(alias: str) -> None:
    path = Path(f"{connections[alias].settings_dict['NAME']}.lock")
    with turn(alias):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have(alias: str) -> None:
    with taken(alias):
        child = os.fork()
        if child == 0:
            os._exit(bool(turns._locks))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert turns._locks, "those of this process are kept"
