"""The SQLite database: opens, is whole, can be written, has the tables of this release."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kist.app import known_migrations
from kist.cli.doctor.finding import Finding, bad, doubtful, good
from kist.errors import Misconfigured
from kist.settings import Settings

PATIENCE = 2.0
SHOWN_DAMAGES = 3
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def check_database(settings: Settings) -> Iterator[Finding]:
    """Everything about the database."""
    try:
        known = known_migrations(settings)
    except Misconfigured as error:
        yield bad("database", error.message, "write KIST_DATABASE=sqlite:///path, or leave it out")
        return
    path = Path(settings.database.removeprefix("sqlite:///"))
    if not path.exists():
        yield _check_absent(path)
        return
    try:
        yield from _examine(path, known)
    except sqlite3.Error as error:
        yield _meaning(path, error)
    except OSError as error:
        yield bad("database", f"{path} cannot be opened ({error.strerror})", "give it to the user who runs kist")


def _check_absent(path: Path) -> Finding:
    if path.parent.is_dir() or not path.parent.exists():
        return good("database", f"{path} is not there yet; the first start makes it")
    return bad("database", f"{path} cannot be made: {path.parent} is no folder", "set KIST_DATABASE to another path")


def _examine(path: Path, known: dict[int, str]) -> Iterator[Finding]:
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(0, "no right to read and write it")
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=PATIENCE)) as connection:
        damages = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({SHOWN_DAMAGES})")]
        if damages != ["ok"]:
            yield _damaged(path, damages[0])
            return
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        if not _turn_comes(Path(f"{path}.lock")):
            yield _locked(path)
            return
        yield good("database", f"{path} is whole and can be written")
        yield check_tables(_applied(connection), known)


def _turn_comes(lock: Path) -> bool:
    """Whether the lock by which processes take turns is ever free: a process that hangs would hold it for good."""
    if not lock.exists():
        return True
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(int(PATIENCE / 0.02)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            return True
        return False
    finally:
        os.close(descriptor)


def _applied(connection: sqlite3.Connection) -> frozenset[int]:
    made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone()
    return frozenset(row[0] for row in connection.execute("SELECT number FROM migrations")) if made else frozenset()


def check_tables(applied: frozenset[int], known: dict[int, str]) -> Finding:
    """Whether the tables are those of this release."""
    if missing := [name for number, name in known.items() if number not in applied]:
        return doubtful("tables", f"not up to date: {', '.join(missing)} to be applied", "kist migrate")
    if applied - known.keys():
        return doubtful("tables", "made by a newer release of Kist", "update this installation")
    return good("tables", "up to date")


def _meaning(path: Path, error: sqlite3.Error) -> Finding:
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _BUSY:
        return _locked(path)
    if code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return _damaged(path, str(error))
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return bad("database", f"{path} cannot grow: the disk is full", "make room on that disk")
    return bad("database", f"{path} cannot be used ({error})", "look at its disk and at who may read and write it")


def _locked(path: Path) -> Finding:
    return bad(
        "database",
        f"{path} is locked by another program for more than {PATIENCE:.0f} seconds",
        f"find it with `fuser {path} {path}.lock` and end it",
    )


def _damaged(path: Path, damage: str) -> Finding:
    return bad(
        "database",
        f"{path} is damaged ({damage})",
        "stop all servers and restore a backup; keep a copy of the file: `sqlite3 FILE .recover` may save rows",
    )
