"""The store contract catches every store that breaks a promise, by the test that is meant to, and no honest one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from kist.drive import drive
from kist.stores.memory import MemoryStore
from kist.testing.broken_stores import BROKEN
from kist.testing.clock import FakeClock, FakeIds
from kist.testing.store_abilities import BucketsContract, CopiesContract, PartsContract
from kist.testing.store_tickets import SealsContract
from kist.testing.stores import StoreContract

BUCKET = "suite-bucket"


class WholeContract(StoreContract, BucketsContract, CopiesContract, SealsContract, PartsContract):
    pass


def variants(test: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """The arguments that the test's parametrize marks ask for."""
    choices = []
    for mark in getattr(test, "pytestmark", []):
        names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
        choices.append([dict(zip(names, value if len(names) > 1 else [value], strict=True)) for value in mark.args[1]])
    for chosen in product(*choices):
        yield {name: value for choice in chosen for name, value in choice.items()}


TESTS = {
    name: test
    for name, test in inspect.getmembers(WholeContract, inspect.iscoroutinefunction)
    if name.startswith("test_")
}


def caught(kind: type[MemoryStore], test: Callable[..., Any]) -> bool:
    """Whether a store of this kind fails the test, with any of its arguments."""
    return any(fails(kind, test, arguments) for arguments in variants(test))


def fails(kind: type[MemoryStore], test: Callable[..., Any], arguments: dict[str, Any]) -> bool:
    store = kind(FakeClock(), FakeIds())
    drive(store.make_bucket(BUCKET))
    given = {"store": store, "bucket": BUCKET}
    wanted = {name: given[name] for name in inspect.signature(test).parameters if name in given}
    try:
        drive(test(WholeContract(), **wanted, **arguments))
    except (Exception, pytest.fail.Exception):
        return True
    return False


def test_there_are_enough() -> None:
    assert len(BROKEN) >= 12


@pytest.mark.parametrize("name", TESTS)
def test_the_honest_store_passes(name: str) -> None:
    assert not caught(MemoryStore, TESTS[name])


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_the_broken_store_is_caught(kind: type[MemoryStore]) -> None:
    assert caught(kind, TESTS[BROKEN[kind]])
