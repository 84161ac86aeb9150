"""Faulty stores go wrong as scripted, and the same way again for the same seed."""

from __future__ import annotations

import pytest

from kist.drive import drive, drive_each
from kist.errors import KistError, ObjectMissing, StoreFull, StoreUnavailable
from kist.model.content import PutRules
from kist.model.place import Place
from kist.ports.store import ObjectStore
from kist.stores.memory import MemoryStore
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.faults import Fault, Faults, Kind, faulty
from kist.testing.ground import in_blocks, read

ONE = Place("some-bucket", "one")
BODY = b"x" * 600_000


def store_with(faults: Faults) -> ObjectStore:
    inner = MemoryStore(FakeClock(), FakeIds())
    drive(inner.make_bucket(ONE.bucket))
    store: ObjectStore = faulty(inner, faults)
    return store


def put(store: ObjectStore) -> None:
    drive(store.put(ONE, in_blocks(BODY), PutRules()))


def get(store: ObjectStore) -> bytes:
    async def whole() -> bytes:
        return await read(await store.open(ONE))

    return drive(whole())


def test_down_for_a_while() -> None:
    faults = Faults(FakeClock(), Fault(Kind.DOWN, "put", times=2))
    store = store_with(faults)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            put(store)
    with pytest.raises(ObjectMissing):
        drive(store.head(ONE))
    put(store)
    assert faults.met == [("put", Kind.DOWN)] * 2


def test_down_until_healed() -> None:
    faults = Faults(FakeClock(), Fault(Kind.DOWN, times=None))
    store = store_with(faults)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            drive(store.erase(ONE))
    faults.heal()
    drive(store.erase(ONE))


def test_full_refuses_only_what_needs_room() -> None:
    faults = Faults(FakeClock())
    store = store_with(faults)
    put(store)
    faults.add(Fault(Kind.FULL, times=None))
    with pytest.raises(StoreFull):
        put(store)
    assert get(store) == BODY
    drive(store.erase(ONE))


def test_lost_answer() -> None:
    store = store_with(Faults(FakeClock(), Fault(Kind.LOST, "put")))
    with pytest.raises(StoreUnavailable):
        put(store)
    assert get(store) == BODY


def test_cut_bodies() -> None:
    store = store_with(Faults(FakeClock(), Fault(Kind.CUT), Fault(Kind.CUT, "open")))
    with pytest.raises(StoreUnavailable):
        put(store)
    put(store)
    blocks = drive_each(drive(store.open(ONE)).body)
    assert BODY.startswith(next(blocks))
    with pytest.raises(StoreUnavailable):
        next(blocks)
    assert get(store) == BODY


def test_slow_and_lying() -> None:
    clock = FakeClock()
    store = store_with(Faults(clock, Fault(Kind.SLOW, "put", seconds=30), Fault(Kind.LYING, "head")))
    put(store)
    assert clock.pauses == [30]
    lie = drive(store.head(ONE))
    assert (lie.size, lie.etag) == (len(BODY) + 1, "")
    assert drive(store.head(ONE)).size == len(BODY)


def test_the_same_seed_goes_wrong_in_the_same_way() -> None:
    def outcomes(seed: int) -> list[str]:
        faults = Faults.seeded(FakeClock(), seed, 0.5)
        store = store_with(faults)
        told = []
        for _ in range(40):
            try:
                put(store)
                told.append(str(get(store) == BODY))
            except KistError as error:
                told.append(error.message)
        assert faults.met
        return told

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert len(set(outcomes(1))) >= 4
