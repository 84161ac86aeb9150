"""The memory store keeps the contract, with and without an event loop."""

from __future__ import annotations

import pytest

from kist.drive import drive
from kist.stores.memory import MemoryStore
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.store_abilities import BucketsContract, CopiesContract, PartsContract
from kist.testing.store_races import RacesContract
from kist.testing.store_tickets import SealsContract
from kist.testing.stores import StoreContract, driven


class MemorySetting:
    @pytest.fixture
    def bucket(self) -> str:
        return "memory-bucket"

    @pytest.fixture
    def store(self, bucket: str) -> MemoryStore:
        store = MemoryStore(FakeClock(), FakeIds())
        drive(store.make_bucket(bucket))
        return store


class TestMemory(
    MemorySetting, StoreContract, RacesContract, BucketsContract, CopiesContract, SealsContract, PartsContract
):
    pass


@driven
class TestMemoryWithoutLoop(
    MemorySetting, StoreContract, BucketsContract, CopiesContract, SealsContract, PartsContract
):
    pass
