"""Migrations are applied once, in order, wholly or not at all, and are never edited afterwards."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kist.catalogues.sql.codecs import SQLITE
from kist.catalogues.sql.migrations import Migration, migrate, read_migrations
from kist.catalogues.sql.schema import TABLES
from kist.catalogues.sqlite import migrate_database, open_catalogue
from kist.catalogues.sqlite.runner import SqliteRunner
from kist.errors import KistError, Misconfigured
from kist.testing.clock import FakeClock

FIRST = Migration(1, "first", "CREATE TABLE one (id $text NOT NULL PRIMARY KEY);\n")
SECOND = Migration(2, "second", "-- words;\nINSERT INTO one VALUES ('a;b');\nINSERT INTO one\n  VALUES ('c');\n")


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[SqliteRunner]:
    runner = await asyncio.to_thread(SqliteRunner, tmp_path / "kist.db", asyncio.get_running_loop())
    yield runner
    await runner.close()


async def rows(runner: SqliteRunner, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await runner.fetch(sql, {})]


async def test_what_is_missing_is_applied_in_order_and_once(runner: SqliteRunner) -> None:
    assert await migrate(runner, FakeClock(), [FIRST]) == (FIRST,)
    assert await migrate(runner, FakeClock(), [FIRST, SECOND]) == (SECOND,)
    assert await migrate(runner, FakeClock(), [FIRST, SECOND]) == ()
    assert await rows(runner, "SELECT id FROM one ORDER BY id") == [("a;b",), ("c",)]
    recorded = await rows(runner, "SELECT number, name, checksum, applied_at FROM migrations ORDER BY number")
    assert recorded[0] == (1, "first", FIRST.checksum, "2026-01-01 12:00:00.000000")


async def test_a_migration_that_fails_leaves_nothing(runner: SqliteRunner) -> None:
    bad = Migration(2, "bad", "INSERT INTO one VALUES ('kept?');\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(KistError):
        await migrate(runner, FakeClock(), [FIRST, bad])
    assert await rows(runner, "SELECT id FROM one") == []
    assert await migrate(runner, FakeClock(), [FIRST, SECOND]) == (SECOND,)


async def test_an_edited_migration_is_refused(runner: SqliteRunner) -> None:
    await migrate(runner, FakeClock(), [FIRST])
    with pytest.raises(Misconfigured, match="another version of migration 1"):
        await migrate(runner, FakeClock(), [Migration(1, "first", FIRST.text + "-- edited\n")])


async def test_migrations_of_a_newer_release_are_left_alone(runner: SqliteRunner) -> None:
    await migrate(runner, FakeClock(), [FIRST, SECOND])
    assert await migrate(runner, FakeClock(), [FIRST]) == ()


async def test_two_that_start_at_once_apply_each_migration_once(tmp_path: Path) -> None:
    path = tmp_path / "kist.db"
    applied = await asyncio.gather(*(migrate_database(path, FakeClock()) for _ in range(8)))
    names = [migration.number for one in applied for migration in one]
    assert len(names) == len(set(names)) == len(read_migrations()), "each by one of them, whoever that is"


async def test_migrating_alone_makes_what_opening_needs(tmp_path: Path) -> None:
    path = tmp_path / "kist.db"
    assert await migrate_database(path, FakeClock()) == tuple(read_migrations())
    assert await migrate_database(path, FakeClock()) == ()
    catalogue = await open_catalogue(path, FakeClock())
    await catalogue.ping()
    await catalogue.close()


async def test_the_schema_has_the_columns_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "kist.db"
    await migrate_database(path, FakeClock())
    database = sqlite3.connect(path)
    for table in TABLES.values():
        found = database.execute(f"SELECT name, type FROM pragma_table_info('{table.name}')").fetchall()
        assert {name for name, _ in found} >= table.former
        assert [name for name, _ in found if name not in table.former] == list(table.columns)
    database.close()


def test_numbers_are_without_gaps() -> None:
    assert [migration.number for migration in read_migrations()] == list(range(1, len(read_migrations()) + 1))


def test_statements_are_cut_at_line_ends_and_have_no_comments() -> None:
    assert FIRST.statements(SQLITE) == ["CREATE TABLE one (id TEXT NOT NULL PRIMARY KEY)"]
    assert SECOND.statements(SQLITE) == ["INSERT INTO one VALUES ('a;b')", "INSERT INTO one\n  VALUES ('c')"]


# --- what a migration may do while the release before it still runs ---------------------------------------------------

LAST_FREE = 4
"""Up to this one, no release ran beside its migration."""
ADDS_TABLE = re.compile(r"CREATE (?:UNLOGGED )?\s*TABLE (\w+) \(.*\)", re.DOTALL)
ADDS_COLUMN = re.compile(r"ALTER TABLE \w+ ADD COLUMN \w+ [A-Z]+(?: NOT NULL DEFAULT \S+)?")
ADDS_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX \w+ ON (\w+) \(.*\).*", re.DOTALL)


def what_breaks_others(migration: Migration) -> list[str]:
    """The statements by which code that does not know of this migration would fail, or do something else."""
    new: set[str] = set()
    breaking = []
    for statement in migration.statements(SQLITE):
        if table := ADDS_TABLE.fullmatch(statement):
            new.add(table[1])
        elif index := ADDS_INDEX.fullmatch(statement):
            if index[1] and index[2] not in new:  # what was allowed twice is refused now
                breaking.append(statement)
        elif not ADDS_COLUMN.fullmatch(statement):
            breaking.append(statement)
    return breaking


@pytest.mark.parametrize("migration", read_migrations()[LAST_FREE:], ids=lambda migration: migration.name)
def test_the_release_before_goes_on_working(migration: Migration) -> None:
    """Servers are exchanged one by one: the first of a new release migrates under those of the last."""
    assert what_breaks_others(migration) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE files",
        "DROP INDEX files_by_name",
        "ALTER TABLE files DROP COLUMN type",
        "ALTER TABLE files RENAME COLUMN type TO kind",
        "ALTER TABLE files RENAME TO documents",
        "ALTER TABLE files ADD COLUMN colour $text NOT NULL",
        "ALTER TABLE files ADD COLUMN colour $text UNIQUE",
        "CREATE UNIQUE INDEX one_name ON files (name)",
        "UPDATE files SET name = 'x'",
        "DELETE FROM files",
    ],
)
def test_what_breaks_the_release_before_is_seen(statement: str) -> None:
    assert len(what_breaks_others(Migration(9, "bad", f"{statement};\n"))) == 1


def test_what_only_adds_is_taken() -> None:
    text = """
        CREATE $unlogged TABLE more (id $text NOT NULL PRIMARY KEY, name $text NOT NULL);
        CREATE UNIQUE INDEX more_by_name ON more (name) WHERE name <> '';
        ALTER TABLE files ADD COLUMN colour $text;
        ALTER TABLE files ADD COLUMN times $bigint NOT NULL DEFAULT 1;
        CREATE INDEX files_by_colour ON files (colour, id) WHERE state = 'ready';
    """
    assert what_breaks_others(Migration(9, "good", text)) == []
