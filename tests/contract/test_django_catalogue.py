"""The catalogue over Django's connections keeps the contract, on SQLite and PostgreSQL, whoever made the tables."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.django_host.databases import alias_for, in_process
from tests.servers.databases import dropped, made, run
from tests.servers.server import PostgresServer

in_process()

from kist.catalogues.postgresql import migrate_database, open_catalogue  # noqa: E402
from kist.catalogues.postgresql.address import read_url  # noqa: E402
from kist.catalogues.sql.catalogue import SqlCatalogue  # noqa: E402
from kist.catalogues.sqlite import open_catalogue as open_file  # noqa: E402
from kist.django.catalogue import DjangoCatalogue  # noqa: E402
from kist.testing.catalogues import CatalogueContract  # noqa: E402
from kist.testing.clock import FakeClock  # noqa: E402
from kist.testing.ground import driven  # noqa: E402


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables, made by Django's migrations."""
    path = tmp_path_factory.mktemp("template") / "db.sqlite3"
    with alias_for(f"sqlite:///{path}", migrated=True):
        pass
    return path


@pytest.fixture
def copied(tmp_path: Path, template: Path) -> Path:
    """A copy of the template for one test."""
    path = tmp_path / "db.sqlite3"
    path.write_bytes(template.read_bytes())
    return path


@driven
class TestDjangoOnSqlite(CatalogueContract):
    """Tables that Django has made."""

    @pytest.fixture
    def catalogue(self, copied: Path) -> Iterator[SqlCatalogue]:
        with alias_for(f"sqlite:///{copied}") as alias:
            yield DjangoCatalogue(alias, FakeClock())


@pytest.fixture(scope="module")
def by_kist(postgres: PostgresServer) -> Iterator[str]:
    """A database with empty tables that Kist has made."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    run(migrate_database(read_url(made(postgres.url, name)), FakeClock()))
    yield name
    dropped(postgres.url, name)


@pytest.fixture(scope="module")
def by_django(postgres: PostgresServer) -> Iterator[str]:
    """The same, made by Django's migrations."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    with alias_for(made(postgres.url, name), migrated=True):
        pass
    yield name
    dropped(postgres.url, name)


@pytest.fixture
def database(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A copy of the template that the class names."""
    name = f"kist_{uuid.uuid4().hex[:12]}"
    yield made(postgres.url, name, request.getfixturevalue(request.cls.template))
    dropped(postgres.url, name)


@driven
class TestDjangoOnPostgres(CatalogueContract):
    """Tables that Django has made."""

    template = "by_django"

    @pytest.fixture
    def catalogue(self, database: str) -> Iterator[SqlCatalogue]:
        with alias_for(database) as alias:
            yield DjangoCatalogue(alias, FakeClock())


@driven
class TestDjangoOnTablesOfKist(CatalogueContract):
    """Tables that ``kist migrate`` has made."""

    template = "by_kist"

    @pytest.fixture
    def catalogue(self, database: str) -> Iterator[SqlCatalogue]:
        with alias_for(database) as alias:
            yield DjangoCatalogue(alias, FakeClock())


class TestPostgresOnTablesOfDjango(CatalogueContract):
    """The catalogue of ``kist serve`` on tables that Django has made."""

    template = "by_django"

    @pytest.fixture
    async def catalogue(self, database: str) -> AsyncIterator[SqlCatalogue]:
        catalogue = await open_catalogue(read_url(database), FakeClock())
        yield catalogue
        await catalogue.close()


class TestSqliteOnTablesOfDjango(CatalogueContract):
    """The same on SQLite."""

    @pytest.fixture
    async def catalogue(self, copied: Path) -> AsyncIterator[SqlCatalogue]:
        catalogue = await open_file(copied, FakeClock())
        yield catalogue
        await catalogue.close()
