"""The checker catches what it is there for: each kind of violation, planted by hand into a sound home."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.faults.rig.home import compose, disk_settings
from tests.faults.rig.site import Site
from tests.servers.databases import execute

from kist.model.actor import Actor
from kist.model.upload import Intent
from kist.system import SystemClock, SystemIds
from kist.testing.checker import Folder, check, read_log

KEPT, LOST = b"kept" * 100, b"removed"


async def body(data: bytes) -> AsyncIterator[bytes]:
    yield data


class Home:
    """A home with two files, one of them removed, an upload cut off in the middle, and the log of all this."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lively = folder.with_name("lively")
        self.log: list[dict[str, Any]] = []
        self.kept, self.removed = asyncio.run(self._fill())

    async def _fill(self) -> tuple[str, str]:
        kist = await compose(disk_settings(self._lively), clock=SystemClock(), ids=SystemIds())
        ann, ids = Actor("ann"), []
        for number, data in enumerate((KEPT, LOST)):
            self.log.append({"asked": number, "verb": "put", "name": "a", "sha256": hashlib.sha256(data).hexdigest()})
            file = await kist.uploads.receive(ann, Intent(name="a", size=len(data)), body(data))
            self.log.append({"done": number, "file": file.id})
            ids.append(file.id)
        self.log.append({"asked": 2, "verb": "remove", "file": ids[1]})
        await kist.files.remove(ann, ids[1])
        self.log.append({"done": 2, "file": ids[1]})
        async with kist.uploads.receiving(ann, Intent(name="never", size=9)):
            shutil.copytree(self._lively, self.folder, ignore=shutil.ignore_patterns("*-shm"))
        await kist.close()
        return ids[0], ids[1]

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "kist.sqlite")) as connection, connection:
            connection.execute(statement, values)

    def object(self, file_id: str) -> Path:
        with closing(sqlite3.connect(self.folder / "kist.sqlite")) as connection:
            (key,) = connection.execute("SELECT key FROM files WHERE id = ?", (file_id,)).fetchone()
        return self.folder / "objects" / "kist" / str(key)

    def check(self, **options: Any) -> list[str]:
        return check(self.folder / "kist.sqlite", Folder(self.folder / "objects"), self.log, **options)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("checker") / "home")


@pytest.fixture
def home(filled: Home, tmp_path: Path) -> Home:
    """A copy that may be spoilt."""
    copy = object.__new__(Home)
    copy.folder = shutil.copytree(filled.folder, tmp_path / "home")
    copy.log, copy.kept, copy.removed = deepcopy(filled.log), filled.kept, filled.removed
    return copy


def named(violations: list[str]) -> set[str]:
    return {violation.partition(":")[0] for violation in violations}


def test_sound_home(home: Home) -> None:
    assert home.check() == []


def test_file_lost(home: Home) -> None:
    home.sql("UPDATE files SET state = 'lost' WHERE id = ?", home.kept)
    assert "I1" in named(home.check())


def test_file_with_other_bytes_than_acknowledged(home: Home) -> None:
    home.log[0]["sha256"] = "0" * 64
    assert named(home.check()) == {"I1"}


def test_file_with_another_name_than_acknowledged(home: Home) -> None:
    home.sql("UPDATE files SET name = 'b' WHERE id = ?", home.kept)
    assert named(home.check()) == {"I1"}


def test_object_missing(home: Home) -> None:
    home.object(home.kept).unlink()
    assert named(home.check()) == {"I2"}


def test_object_too_short(home: Home) -> None:
    home.object(home.kept).write_bytes(KEPT[:-1])
    assert named(home.check()) == {"I2"}


def test_object_with_a_flipped_bit(home: Home) -> None:
    home.object(home.kept).write_bytes(bytes([KEPT[0] ^ 1]) + KEPT[1:])
    assert named(home.check()) == {"I2"}


def test_object_without_a_row(home: Home) -> None:
    home.object(home.kept).with_name("stray").write_bytes(b"")
    assert named(home.check()) == {"I3"}
    assert home.check(grace=60) == []


def test_object_of_a_removed_file_that_nobody_will_erase(home: Home) -> None:
    home.sql("DELETE FROM doomed")
    assert named(home.check()) == {"I3"}


def test_temporary_file_without_a_row(home: Home) -> None:
    temporary = home.folder / "objects" / ".tmp"
    (temporary / f"{'0' * 32}-token").write_bytes(b"")
    assert named(home.check()) == {"I3"}


def test_temporary_file_of_an_upload(home: Home) -> None:
    with closing(sqlite3.connect(home.folder / "kist.sqlite")) as connection:
        (key,) = connection.execute("SELECT key FROM uploads").fetchone()
    mark = hashlib.sha256(f"kist/{key}".encode()).hexdigest()[:32]
    (home.folder / "objects" / ".tmp" / f"{mark}-token").write_bytes(b"")
    assert home.check() == []


@pytest.mark.parametrize("counter", ["bytes", "files", "uploads"])
def test_wrong_counter(home: Home, counter: str) -> None:
    home.sql(f"UPDATE usage SET {counter} = {counter} + 1")
    assert named(home.check()) == {"I4"}


def test_two_files_of_one_object(home: Home) -> None:
    columns = "name, owner, bucket, key, created_at, updated_at, size, type, sha256, visibility, metadata, version"
    home.sql(
        f"INSERT INTO files (id, state, folded, {columns}) SELECT 'twin', 'ready', folded, {columns} FROM files"
        " WHERE id = ?",
        home.kept,
    )
    assert {"I5", "I7"} <= named(home.check())


@pytest.mark.parametrize("table", ["doomed", "uploads"])
def test_object_of_a_ready_file_in_danger(home: Home, table: str) -> None:
    home.sql(f"UPDATE {table} SET key = (SELECT key FROM files WHERE id = ?)", home.kept)
    assert "I5" in named(home.check())


def test_removed_file_is_back(home: Home) -> None:
    home.sql("UPDATE files SET state = 'ready' WHERE id = ?", home.removed)
    assert "I6" in named(home.check())


def test_file_that_nobody_asked_for(home: Home) -> None:
    home.log = [{"asked": 9, "verb": "put", "name": "other", "sha256": "0" * 64}]
    assert named(home.check()) == {"I7"}


def test_something_left_under_way(home: Home) -> None:
    assert named(home.check(settled=True)) == {"unfinished"}


def test_requests_whose_outcome_is_not_known(home: Home) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    home.log = [
        *home.log[:1],
        {"asked": 3, "verb": "put", "name": "unsure", "sha256": other},
        *home.log[1:],
        {"asked": 4, "verb": "replace", "file": home.kept, "sha256": other},
        {"asked": 5, "verb": "rename", "file": home.kept, "name": "b"},
        {"refused": 5},
    ]
    assert home.check() == []
    home.sql("UPDATE files SET name = 'b' WHERE id = ?", home.kept)
    assert named(home.check()) == {"I1"}


def test_program(home: Home, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(json.dumps(event) + "\n" for event in home.log) + '{"asked": 7, "ver')
    assert list(read_log(log)) == home.log
    database, store = home.folder / "kist.sqlite", home.folder / "objects"
    command = [sys.executable, "-m", "kist.testing.checker", "--database", str(database), "--store", str(store)]
    sound = subprocess.run([*command, "--log", str(log)], capture_output=True, text=True, timeout=60, check=False)
    assert (sound.returncode, sound.stdout, sound.stderr) == (0, "", "")
    home.object(home.kept).unlink()
    spoilt = subprocess.run([*command, "--log", str(log)], capture_output=True, text=True, timeout=60, check=False)
    assert spoilt.returncode == 1
    assert spoilt.stdout.startswith("I2: ")


@pytest.mark.usefixtures("patient")
def test_rows_in_postgresql(database: str, tmp_path: Path) -> None:
    site = Site(tmp_path / "home", {}, Folder(tmp_path / "home" / "objects"), server=f"{database}?connections=2")
    site.fill()
    assert site.violations() == []
    asyncio.run(execute(database, "UPDATE usage SET bytes = bytes + 1"))
    assert [each[:2] for each in site.violations()] == ["I4"]
    asyncio.run(execute(database, "UPDATE files SET state = 'removed'"))
    assert {each[:2] for each in site.violations()} == {"I1", "I3", "I4"}
