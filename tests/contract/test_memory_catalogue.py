"""The memory catalogue keeps the contract, with and without an event loop."""

from __future__ import annotations

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.testing.catalogues import CatalogueContract, CatalogueRaces
from kist.testing.clock import FakeClock
from kist.testing.ground import driven


class MemorySetting:
    @pytest.fixture
    def catalogue(self) -> MemoryCatalogue:
        return MemoryCatalogue(FakeClock())


class TestMemory(MemorySetting, CatalogueContract, CatalogueRaces):
    pass


@driven
class TestMemoryWithoutLoop(MemorySetting, CatalogueContract):
    pass
