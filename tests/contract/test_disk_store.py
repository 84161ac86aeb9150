"""The disk store keeps the contract: in a thread beside an event loop, and by right_here calls without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import pytest

from kist.drive import drive, right_here
from kist.ports.wiring import Aside
from kist.stores.disk import DiskStore
from kist.stores.disk.signing import Signing
from kist.system import SystemClock, SystemIds
from kist.testing.store_abilities import BucketsContract, CopiesContract, PartsContract, SigningContract
from kist.testing.store_races import RacesContract
from kist.testing.store_tickets import ReceivesContract, SealsContract
from kist.testing.stores import StoreContract, driven

T = TypeVar("T")
Args = TypeVarTuple("Args")


def in_thread(work: Callable[[Unpack[Args]], T], /, *args: *Args) -> Awaitable[T]:
    """Begins at once, as the composition root's does."""
    return asyncio.get_running_loop().run_in_executor(None, work, *args)


class DiskSetting:
    aside: Aside
    long_list = 600  # more than one page

    @pytest.fixture
    def bucket(self) -> str:
        return "disk-bucket"

    @pytest.fixture
    def store(self, tmp_path: Path, bucket: str) -> DiskStore:
        drive(DiskStore(tmp_path / "root", right_here, SystemClock(), SystemIds()).make_bucket(bucket))
        signing = Signing(b"s" * 32, "https://files.example", SystemClock())
        return DiskStore(tmp_path / "root", self.aside, SystemClock(), SystemIds(), signing)


class Abilities(BucketsContract, CopiesContract, SealsContract, PartsContract, SigningContract, ReceivesContract):
    pass


class TestDisk(DiskSetting, StoreContract, RacesContract, Abilities):
    aside = staticmethod(in_thread)


@driven
class TestDiskWithoutLoop(DiskSetting, StoreContract, Abilities):
    aside = staticmethod(right_here)
