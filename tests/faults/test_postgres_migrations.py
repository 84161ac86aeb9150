"""Migrations on PostgreSQL: once, however many start; whole or not at all, wherever they are cut off."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid

import pytest
from tests.servers.databases import ask, dropped, execute, locked, made, opened, waiting
from tests.servers.pauses import PATIENT
from tests.servers.server import PostgresServer
from tests.servers.tapped import tapped

from kist.catalogues.postgresql import bring_up_to_date, known_migrations, migrate_database, open_catalogue
from kist.catalogues.postgresql.address import read_url
from kist.catalogues.postgresql.runner import PostgresRunner
from kist.catalogues.sql.migrations import Migration, migrate, read_migrations
from kist.catalogues.sql.schema import TABLES
from kist.errors import CatalogueBusy, KistError, Misconfigured
from kist.testing.clock import FakeClock

pytestmark = pytest.mark.usefixtures("patient")

MIGRATE = """
import asyncio, sys
from kist.catalogues.postgresql import bring_up_to_date
from kist.system import SystemClock
print(*asyncio.run(bring_up_to_date(sys.argv[1], SystemClock())))
"""
ALL = tuple(known_migrations().values())
TABLE_OF_COLUMNS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position
"""


async def check_columns(url: str) -> None:
    """Demand that the tables have the columns of the rows, besides those that rows no longer fill."""
    for table in TABLES.values():
        found = [name for (name,) in await ask(url, TABLE_OF_COLUMNS, table.name)]
        assert set(found) >= table.former
        assert [name for name in found if name not in table.former] == list(table.columns)


async def test_the_schema_has_the_columns_of_the_rows(database: str) -> None:
    assert await bring_up_to_date(database, FakeClock()) == ALL
    assert await bring_up_to_date(database, FakeClock()) == ()
    await check_columns(database)


async def test_every_text_is_sorted_by_its_bytes(database: str) -> None:
    await bring_up_to_date(database, FakeClock())
    question = """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'
    """
    assert await ask(database, question) == []
    assert await ask(database, "SELECT 'b' < 'A'") == [(False,)], "which the database itself does otherwise"


async def test_processes_that_start_at_once_apply_each_migration_once(database: str) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database], env=os.environ | PATIENT, stdout=subprocess.PIPE, text=True
        )

    processes = [start() for _ in range(4)]
    said = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(name for words, _ in said for name in words.split()) == sorted(ALL)


async def test_tasks_that_start_at_once_apply_each_migration_once(database: str) -> None:
    applied = await asyncio.gather(*(migrate_database(read_url(database), FakeClock()) for _ in range(8)))
    assert sorted(each.name for one in applied for each in one) == sorted(ALL)


async def test_a_process_that_is_killed_gives_up_its_lock(database: str) -> None:
    """It waits for a table that another session holds, within its second migration."""
    runner = PostgresRunner(read_url(database))
    await runner.open()
    await migrate(runner, FakeClock(), read_migrations()[:1])
    await runner.close()
    async with locked(database, "uploads"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, database, env=os.environ | PATIENT
        )
        await waiting(database)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await asyncio.wait_for(bring_up_to_date(database, FakeClock()), 30) == ALL[1:]
    async with opened(database) as catalogue:
        await catalogue.ping()


def cuts() -> list[int]:
    """After how many messages the connection is cut: about two for each statement."""
    statements = sum(len(migration.statements(PostgresRunner.codec)) for migration in read_migrations())
    return list(range(3, 2 * statements + 30))


async def cut_off(postgres: PostgresServer, after: int) -> bool:
    """Migrate through a connection that is cut, and then through a whole one; whether it was cut in time."""
    name = f"kist_{uuid.uuid4().hex[:12]}"
    url = made(postgres.url, name)
    with tapped(url) as tap:
        tap.cut_after(after)
        try:
            first = await bring_up_to_date(tap.url, FakeClock())
        except CatalogueBusy:
            first = ()
    rest = await bring_up_to_date(url, FakeClock())
    assert (*first, *rest) == ALL[len(ALL) - len(first) - len(rest) :]
    assert await ask(url, "SELECT name FROM migrations ORDER BY number") == [(name,) for name in ALL]
    await check_columns(url)
    dropped(postgres.url, name)
    return tap.harmed > 0


@pytest.mark.parametrize("after", cuts()[::15])
async def test_a_migration_that_is_cut_off_at_some_statements(postgres: PostgresServer, after: int) -> None:
    await cut_off(postgres, after)


@pytest.mark.slow
async def test_a_migration_that_is_cut_off_at_every_statement(postgres: PostgresServer) -> None:
    outcomes = [await cut_off(postgres, after) for after in cuts()]
    assert not outcomes[-1], "the last ones were not cut any more, so all statements were"


async def test_a_migration_that_fails_leaves_nothing(database: str) -> None:
    good = Migration(1, "first", "CREATE TABLE one (id $text NOT NULL PRIMARY KEY);\n")
    bad = Migration(2, "bad", "INSERT INTO one VALUES ('kept?');\nINSERT INTO nowhere VALUES (1);\n")
    runner = PostgresRunner(read_url(database))
    await runner.open()
    with pytest.raises(KistError):
        await migrate(runner, FakeClock(), [good, bad])
    assert await runner.fetch("SELECT id FROM one", {}) == []
    await runner.close()


async def test_an_edited_migration_is_refused(database: str) -> None:
    await bring_up_to_date(database, FakeClock())
    await execute(database, "UPDATE migrations SET checksum = 'other' WHERE number = 2")
    with pytest.raises(Misconfigured, match="another version of migration 2"):
        await open_catalogue(read_url(database), FakeClock())


async def test_a_newer_schema_is_left_alone(database: str) -> None:
    await bring_up_to_date(database, FakeClock())
    await execute(
        database,
        "INSERT INTO migrations VALUES (9999, 'later', 'x', 'now')",
        "ALTER TABLE files ADD COLUMN later TEXT",
    )
    async with opened(database) as catalogue:
        await catalogue.ping()


async def test_a_role_without_the_right_to_make_tables_may_use_them(database: str) -> None:
    role = f"user_{uuid.uuid4().hex[:12]}"
    weak = read_url(database).url.replace("//kist:", f"//{role}:")
    password = weak.partition("@")[0].rpartition(":")[2]
    await execute(database, f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    with pytest.raises(Misconfigured, match="permission denied"):
        await open_catalogue(read_url(weak), FakeClock())
    await bring_up_to_date(database, FakeClock())
    await execute(database, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    async with opened(weak) as catalogue:
        await catalogue.ping()
    await execute(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("change", "said"), [("password", "password authentication failed"), ("name", "does not exist")]
)
async def test_what_the_server_refuses_is_said(database: str, change: str, said: str) -> None:
    head, _, tail = database.partition("@")
    wrong = f"{head}x@{tail}" if change == "password" else database + "x"
    with pytest.raises(Misconfigured, match=said) as refused:
        await open_catalogue(read_url(wrong), FakeClock())
    assert head.rpartition(":")[2] not in str(refused.value)
