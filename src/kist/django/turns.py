"""Whose turn it is to write to a SQLite database: one thread of one process at a time, as ``kist serve`` has it.

SQLite has those who wait look again every now and then, so that among many threads some are not let in for seconds.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, local

from django.db import connections

from kist.catalogues.sqlite.connection import PATIENCE, busy, open_beside

_locks: dict[str, Lock] = {}
os.register_at_fork(after_in_child=_locks.clear)  # whoever holds one does not live in the child
_mine = local()


@contextmanager
def turn(alias: str) -> Iterator[None]:
    """Hold the turn for the length of the block; ``CatalogueBusy`` when another thread has it for too
    long; another process is waited for.

    Inside a transaction of the caller's nobody waits: it may hold SQLite's own lock already. Nor does a thread wait for
    itself, as it would where a receiver of a signal makes further changes.
    """
    connection = connections[alias]
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.in_atomic_block or name in _held():
        yield
        return
    lock = _locks.setdefault(name, Lock())
    if not lock.acquire(timeout=PATIENCE):
        raise busy()
    _held().add(name)
    try:
        with _among_processes(name):
            yield
    finally:
        _held().discard(name)
        lock.release()


@contextmanager
def _among_processes(name: str) -> Iterator[None]:
    if not os.path.isabs(name):  # in memory, or named in ways of SQLite's own
        yield
        return
    beside = open_beside(Path(name), "lock")
    try:
        fcntl.flock(beside, fcntl.LOCK_EX)
        yield
    finally:
        os.close(beside)


def _held() -> set[str]:
    """The databases whose turn this thread has."""
    found: set[str] = _mine.__dict__.setdefault("names", set())
    return found
