"""What hosts with many threads share of one Kist bears it: nothing is raised, and no limit is lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.drive import drive
from kist.errors import AlreadyThere
from kist.model.changes import Change
from kist.model.content import PutRules
from kist.model.place import Place
from kist.service import allowances, rates
from kist.service.allowances import Allowances
from kist.service.rates import TokenBuckets
from kist.stores.memory import MemoryStore
from kist.system import SystemIds
from kist.testing.clock import FakeClock
from kist.testing.ground import in_blocks

THREADS = 16
TURNS = 400


class OneAtATime(MemoryCatalogue):
    """Bears threads, as databases do."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._turn = threading.Lock()

    async def commit(self, *changes: Change) -> None:
        with self._turn:
            await super().commit(*changes)


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Threads take turns after every few steps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], object]) -> None:
    """Do the work in all threads; raises what one of them has raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def one(number: int) -> None:
        start.wait()
        try:
            for turn in range(TURNS):
                work(number * TURNS + turn)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_more_names_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_KNOWN", 3)
    buckets = TokenBuckets(FakeClock(), (1000, 1.0), threading.Lock())
    at_once(lambda step: buckets.take(str(step % 5)))


def test_tries_of_one_name_are_limited_for_all_threads() -> None:
    buckets = TokenBuckets(FakeClock(), (20, 60.0), threading.Lock())
    allowed: list[int] = []

    def take(step: int) -> None:
        if buckets.take("127.0.0.1") == 0:
            allowed.append(step)

    at_once(take)
    assert len(allowed) == 20


def test_loans_of_more_names_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowances, "MOST_KNOWN", 3)
    clock = FakeClock()
    lent = Allowances(OneAtATime(clock), clock, "actor", (1_000_000, 1.0), threading.Lock())
    at_once(lambda step: drive(lent.take(str(step % 5))))


def test_a_loan_that_threads_have_used_up_is_used_up() -> None:
    clock = FakeClock()
    lent = Allowances(OneAtATime(clock), clock, "actor", (100, 60.0), threading.Lock())
    allowed: list[int] = []

    def take(step: int) -> None:
        if drive(lent.take("ann")) == 0:
            allowed.append(step)

    at_once(take)
    assert len(allowed) == 100


def test_a_store_in_memory() -> None:
    store = MemoryStore(FakeClock(), SystemIds())
    drive(store.make_bucket("bucket"))
    new: list[int] = []

    async def work(step: int) -> None:
        place = Place("bucket", f"{step % 7}/{step % TURNS}")
        with suppress(AlreadyThere):
            await store.put(place, in_blocks(b"x"), PutRules(only_new=True))
            new.append(step)
        if step % 5 == 0:
            async for _ in store.list("bucket", f"{step % 7}/"):
                pass
            await store.clear(place)
        await store.erase(Place("bucket", f"{step % 3}/{step % 11}"))

    at_once(lambda step: drive(work(step)))
    new.clear()
    drive(store.make_bucket("once"))

    async def once(step: int) -> None:
        with suppress(AlreadyThere):
            await store.put(Place("once", str(step % TURNS)), in_blocks(b"x"), PutRules(only_new=True))
            new.append(step)

    at_once(lambda step: drive(once(step)))
    assert len(new) == TURNS
