"""This release works on the tables of the next one: servers are exchanged one by one, and share the database meanwhile.

The next release may add tables, columns that may be left out, and indexes (tests/unit/test_migrations.py holds its
migrations to that). Here it has added all of them, everywhere, and the whole contract is kept all the same.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.servers.databases import dropped, made, run
from tests.servers.server import PostgresServer

from kist.catalogues.postgresql import open_catalogue as open_postgres
from kist.catalogues.postgresql.address import read_url
from kist.catalogues.postgresql.runner import PostgresRunner
from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.migrations import Migration, migrate, read_migrations
from kist.catalogues.sql.runner import Runner
from kist.catalogues.sql.schema import TABLES
from kist.catalogues.sqlite import open_catalogue as open_sqlite
from kist.catalogues.sqlite.runner import SqliteRunner
from kist.testing.catalogues import CatalogueContract, CatalogueRaces
from kist.testing.clock import FakeClock

NAMES = [*(table.name for table in TABLES.values()), "terms"]
MORE = """
ALTER TABLE {name} ADD COLUMN later $text;
ALTER TABLE {name} ADD COLUMN later_count $bigint NOT NULL DEFAULT 0;
CREATE INDEX later_{name} ON {name} (later, later_count);
"""
NEW = "CREATE TABLE later (id $text NOT NULL PRIMARY KEY, at $time NOT NULL);\n"
LATER = Migration(9999, "later", NEW + "".join(MORE.format(name=name) for name in NAMES))


async def bring_ahead(runner: Runner) -> None:
    """Make the tables as the next release has them."""
    assert LATER in await migrate(runner, FakeClock(), [*read_migrations(), LATER])


class TestSqlite(CatalogueContract, CatalogueRaces):
    @pytest.fixture
    async def catalogue(self, tmp_path: Path) -> AsyncIterator[SqlCatalogue]:
        path = tmp_path / "kist.db"
        runner = await asyncio.to_thread(SqliteRunner, path, asyncio.get_running_loop())
        await bring_ahead(runner)
        await runner.close()
        catalogue = await open_sqlite(path, FakeClock())
        yield catalogue
        await catalogue.close()


@pytest.fixture(scope="module")
def template(postgres: PostgresServer) -> Iterator[str]:
    name = f"template_{uuid.uuid4().hex[:12]}"
    run(prepare(made(postgres.url, name)))
    yield name
    dropped(postgres.url, name)


async def prepare(url: str) -> None:
    runner = PostgresRunner(read_url(url), hurried=False)
    await runner.open()
    await bring_ahead(runner)
    await runner.close()


class TestPostgres(CatalogueContract, CatalogueRaces):
    @pytest.fixture
    async def catalogue(self, postgres: PostgresServer, template: str) -> AsyncIterator[SqlCatalogue]:
        name = f"kist_{uuid.uuid4().hex[:12]}"
        url = made(postgres.url, name, template)
        catalogue = await open_postgres(read_url(url), FakeClock())
        yield catalogue
        await catalogue.close()
        dropped(postgres.url, name)
