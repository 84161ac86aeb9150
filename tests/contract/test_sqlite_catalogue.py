"""The SQLite catalogue keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sqlite import open_catalogue
from kist.testing.catalogues import CatalogueContract, CatalogueRaces
from kist.testing.clock import FakeClock


class TestSqlite(CatalogueContract, CatalogueRaces):
    @pytest.fixture
    async def catalogue(self, tmp_path: Path) -> AsyncIterator[SqlCatalogue]:
        catalogue = await open_catalogue(tmp_path / "kist.db", FakeClock())
        yield catalogue
        await catalogue.close()
