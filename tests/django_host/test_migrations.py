"""Django's migrations make the tables that Kist's own make, whoever comes first."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.django_host.databases import alias_for, in_process

in_process()

from django.core.management import call_command  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402

from kist.catalogues.sql.migrations import read_migrations  # noqa: E402
from kist.catalogues.sqlite import bring_up_to_date  # noqa: E402
from kist.django.schema import ApplySchema  # noqa: E402
from kist.system import SystemClock  # noqa: E402


def tables(path: Path) -> dict[str, str]:
    """The SQL of every table and index of Kist's, by name."""
    connection = sqlite3.connect(path)
    try:
        names = {name for (name,) in connection.execute("SELECT tbl_name FROM sqlite_master")}
        own = sorted(name for name in names if "_" not in name and name != "migrations")
        rows = connection.execute("SELECT name, sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {name: sql for name, sql, table in rows if table in own}
    finally:
        connection.close()


def applied(path: Path) -> list[tuple[int, str]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT number, checksum FROM migrations ORDER BY number").fetchall()
    finally:
        connection.close()


def test_every_schema_file_has_its_twin() -> None:
    loader = MigrationLoader(None, replace_migrations=False)
    twins = {
        (name, operation.number)
        for (app, name), migration in loader.disk_migrations.items()
        if app == "kist"
        for operation in migration.operations
        if isinstance(operation, ApplySchema)
    }
    assert twins == {(f"{file.number:04}_{file.name}", file.number) for file in read_migrations()}


def test_the_models_are_what_the_migrations_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


async def test_both_make_the_same_tables(tmp_path: Path) -> None:
    by_kist, by_django = tmp_path / "kist.db", tmp_path / "django.db"
    await bring_up_to_date(f"sqlite:///{by_kist}", SystemClock())
    _migrated(by_django)
    assert tables(by_kist) == tables(by_django)
    assert applied(by_kist) == applied(by_django)
    assert len(tables(by_kist)) > 30


async def test_django_after_kist_and_kist_after_django_change_nothing(tmp_path: Path) -> None:
    by_kist, by_django = tmp_path / "kist.db", tmp_path / "django.db"
    await bring_up_to_date(f"sqlite:///{by_kist}", SystemClock())
    before = applied(by_kist)
    _migrated(by_kist)
    assert applied(by_kist) == before
    _migrated(by_django)
    assert await bring_up_to_date(f"sqlite:///{by_django}", SystemClock()) == ()


def _migrated(path: Path) -> None:
    """Migrate in a thread: Django refuses to where an event loop runs."""
    from concurrent.futures import ThreadPoolExecutor

    def migrate() -> None:
        with alias_for(f"sqlite:///{path}", migrated=True):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(migrate).result()
