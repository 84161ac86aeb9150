"""Failpoints fire where and when they are told to, for real, and let everything else pass."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.drive import drive
from kist.errors import CatalogueBusy, Misconfigured, ObjectMissing, StoreUnavailable
from kist.model.content import PutRules
from kist.model.place import Place
from kist.ports.catalogue import Catalogue
from kist.ports.store import Copies, HoldsBuckets, ObjectStore, SetsCors, Signs, TakesParts
from kist.stores.memory import MemoryStore
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.failpoints import VARIABLE, Failpoint, Failpoints, What, pointed_catalogue, pointed_store, read_specs
from kist.testing.ground import in_blocks, read
from kist.testing.store_abilities import BucketsContract, CopiesContract, PartsContract
from kist.testing.stores import StoreContract, driven

ONE = Place("some-bucket", "one")


def pointed(specs: str) -> ObjectStore:
    clock = FakeClock()
    inner = MemoryStore(clock, FakeIds())
    drive(inner.make_bucket(ONE.bucket))
    store: ObjectStore = pointed_store(inner, Failpoints(clock, *read_specs(specs)))
    return store


def put(store: ObjectStore, data: bytes = b"bytes", block: int = 2) -> None:
    drive(store.put(ONE, in_blocks(data, block), PutRules()))


@driven
class TestDisarmed(StoreContract, BucketsContract, CopiesContract, PartsContract):
    """With no failpoint set, the wrapped store is as good as the store in it."""

    @pytest.fixture
    def bucket(self) -> str:
        return ONE.bucket

    @pytest.fixture
    def store(self) -> ObjectStore:
        return pointed("")


def test_specs() -> None:
    assert read_specs("") == ()
    assert read_specs("store.put:before:1:kill, catalogue.commit:after:12:hang") == (
        Failpoint("store.put:before", 1, What.KILL),
        Failpoint("catalogue.commit:after", 12, What.HANG),
    )


@pytest.mark.parametrize("spec", ["x", "store.put:1:kill", "store.put:before:0:kill", "store.put:before:1:sing"])
def test_a_spec_that_cannot_be_read(spec: str) -> None:
    with pytest.raises(Misconfigured, match=spec):
        read_specs(spec)


def test_before_nothing_is_done() -> None:
    store = pointed("store.put:before:1:raise")
    with pytest.raises(StoreUnavailable):
        put(store)
    with pytest.raises(ObjectMissing):
        drive(store.head(ONE))
    put(store)


def test_during_a_body() -> None:
    store = pointed("store.put:during:2:raise,store.open:during:2:raise")
    with pytest.raises(StoreUnavailable):
        put(store)
    with pytest.raises(ObjectMissing):
        drive(store.head(ONE))
    put(store, b"x" * 400_000)
    with pytest.raises(StoreUnavailable):
        drive(read(drive(store.open(ONE))))


def test_after_it_is_done_but_nobody_knows() -> None:
    store = pointed("store.put:after:1:raise")
    with pytest.raises(StoreUnavailable):
        put(store)
    assert drive(store.head(ONE)).size == 5


def test_the_third_time() -> None:
    store = pointed("store.head:before:3:raise")
    put(store)
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(drive(store.head(ONE)).size)
        except StoreUnavailable:
            outcomes.append(-1)
    assert outcomes == [5, 5, -1, 5]


def test_hang_waits_by_the_clock() -> None:
    clock = FakeClock()
    store = pointed_store(MemoryStore(clock, FakeIds()), Failpoints(clock, *read_specs("store.erase:before:1:hang")))
    with pytest.raises(StoreUnavailable):
        drive(store.erase(ONE))
    assert clock.pauses == [3600]


def test_catalogue() -> None:
    clock = FakeClock()
    failpoints = Failpoints(clock, *read_specs("catalogue.commit:before:2:raise,catalogue.usage:after:1:raise"))
    catalogue: Catalogue = pointed_catalogue(MemoryCatalogue(clock), failpoints)
    drive(catalogue.commit())
    with pytest.raises(CatalogueBusy):
        drive(catalogue.commit())
    with pytest.raises(CatalogueBusy):
        drive(catalogue.usage("somebody"))
    assert drive(catalogue.usage("somebody")).files == 0
    assert failpoints.reached["catalogue.commit:before"] == 2
    assert failpoints.reached["catalogue.commit:after"] == 1


def test_abilities_are_those_of_the_store_inside() -> None:
    store = pointed("")
    assert [isinstance(store, ability) for ability in (HoldsBuckets, Copies, TakesParts)] == [True] * 3
    assert [isinstance(store, ability) for ability in (SetsCors, Signs)] == [False] * 2


CHILD = """
from kist.drive import drive
from kist.errors import KistError
from kist.model.place import Place
from kist.stores.memory import MemoryStore
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.failpoints import Failpoints, pointed_store

clock = FakeClock()
store = pointed_store(MemoryStore(clock, FakeIds()), Failpoints.from_environment(clock))
for number in range(3):
    drive(store.erase(Place("some-bucket", "one")))
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("specs", "code", "printed"),
    [
        ("", 0, ["0", "1", "2"]),
        ("store.erase:before:2:kill", -signal.SIGKILL, ["0"]),
        ("store.erase:after:3:kill", -signal.SIGKILL, ["0", "1"]),
        ("store.put:before:1:kill", 0, ["0", "1", "2"]),
    ],
)
def test_a_child_is_killed(specs: str, code: int, printed: list[str]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, VARIABLE: specs},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.returncode, child.stdout.split()) == (code, printed)
    assert child.stderr == (f"failpoint {specs}\n" if code else "")
