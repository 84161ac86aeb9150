"""Connections: how they are opened, what is demanded of them, and what their errors mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from kist.errors import Broken, CatalogueBusy, KistError, Misconfigured, StoreFull

PATIENCE = 5.0  # seconds that a change waits for other processes before the caller is told to try again

_PRAGMAS: dict[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it is acknowledged
    "foreign_keys": 1,
    "temp_store": 2,  # MEMORY: sorting must not fail on a full disk
    "cache_size": -8192,  # KiB for each connection; no mmap: it turns an I/O error into the death of the process
    "wal_autocheckpoint": 4000,  # pages: a third more commits a second than with 1000, 16 MiB of log
}
_STATEMENTS_KEPT = 512  # lists come in some 200 shapes

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "9p", "fuse.sshfs", "fuse.glusterfs", "lustre"}

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def connect(path: Path, patience: float = PATIENCE) -> sqlite3.Connection:
    """A connection in autocommit mode that may move between threads (one at a time), with every setting checked.

    ``patience``: seconds to wait for a lock.
    """
    connection = sqlite3.connect(
        path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS_KEPT
    )
    try:
        for name, value in _PRAGMAS.items():
            _demand(connection, name, value)
        _demand(connection, "busy_timeout", round(patience * 1000))
    except BaseException:
        connection.close()
        raise
    return connection


def _demand(connection: sqlite3.Connection, name: str, value: str | int) -> None:
    connection.execute(f"PRAGMA {name} = {value}").close()
    found = connection.execute(f"PRAGMA {name}").fetchone()[0]
    if found != value:
        raise Misconfigured(f"the database does not accept {name} = {value}: it stays at {found}")


def make_file(path: Path) -> None:
    """Make the database's file, readable by its owner alone, unless it is there. ``Misconfigured`` when it cannot be.

    Refuses network file systems: their locks do not hold, and SQLite loses data there.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Misconfigured(f"the database {path} cannot be opened for writing: {error.strerror}") from error
    if (kind := file_system(path)) in _NETWORK:
        raise Misconfigured(f"the database {path} is on {kind}, a network file system: put it on a local disk")


def open_beside(path: Path, ending: str) -> int:
    """A file beside the database at ``path``, made for its owner alone unless it is there; ``Misconfigured`` if not.

    A link is not followed: what is written is no business of the file that it names.
    """
    name = f"{path}.{ending}"
    try:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(f"{name} cannot be opened for writing: {error.strerror}") from error


def file_system(path: Path) -> str | None:
    """The type of the file system that holds ``path``, None where that cannot be told."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                mount, _, source = line.partition(" - ")
                if mount.split()[2] == wanted:
                    return source.split()[0]
    except OSError:
        return None
    return None


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process or connection holds a lock that is needed."""
    return _code(error) & 0xFF in _BUSY


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk has no room for what is to be written."""
    return _code(error) in _FULL or _code(error) & 0xFF in _FULL


def is_taken(error: sqlite3.Error) -> bool:
    """Whether a change would have broken a uniqueness."""
    return _code(error) in _TAKEN


def translate(error: sqlite3.Error) -> KistError:
    """What a SQLite error means to Kist. The foreign text is left out: it says nothing that helps a caller."""
    if is_busy(error):
        return busy()
    if is_full(error):
        return full()
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return Broken(f"the database failed ({name}): look at the disk, then check the database or restore a backup")


def busy() -> CatalogueBusy:
    """What a caller is told who has waited long enough."""
    return CatalogueBusy("the database is busy with other changes: try again", after=1)


def full() -> StoreFull:
    """What a caller is told whose change does not fit on the disk."""
    return StoreFull("the disk that holds the database is full: make room there")


def _code(error: sqlite3.Error) -> int:
    """The extended result code; 0 for errors of the driver itself."""
    return int(getattr(error, "sqlite_errorcode", 0))
