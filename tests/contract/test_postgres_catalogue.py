"""The PostgreSQL catalogue keeps the contract."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.servers.databases import dropped, made, run
from tests.servers.server import PostgresServer

from kist.catalogues.postgresql import migrate_database, open_catalogue
from kist.catalogues.postgresql.address import read_url
from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.testing.catalogues import CatalogueContract, CatalogueRaces
from kist.testing.clock import FakeClock


@pytest.fixture(scope="module")
def template(postgres: PostgresServer) -> Iterator[str]:
    """A database with empty tables, to be copied for each test: that is quicker than making them."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    url = made(postgres.url, name)
    run(migrate_database(read_url(url), FakeClock()))
    yield name
    dropped(postgres.url, name)


class TestPostgres(CatalogueContract, CatalogueRaces):
    @pytest.fixture
    async def catalogue(self, postgres: PostgresServer, template: str) -> AsyncIterator[SqlCatalogue]:
        name = f"kist_{uuid.uuid4().hex[:12]}"
        url = made(postgres.url, name, template)
        catalogue = await open_catalogue(read_url(url), FakeClock())
        yield catalogue
        await catalogue.close()
        dropped(postgres.url, name)
