"""The operator's limits on requests, for one actor and for one address."""

from __future__ import annotations

import pytest

from kist.errors import TooMany
from kist.service.rates import MOST_KNOWN, Rates, TokenBuckets
from kist.testing.clock import FakeClock


def test_none_are_set() -> None:
    rates = Rates(FakeClock())
    for _ in range(10_000):
        rates.count_actor("ann")
        rates.count_address("1.2.3.4")


def test_so_many_in_a_minute() -> None:
    clock = FakeClock()
    rates = Rates(clock, per_actor=(3, 60.0))
    for _ in range(3):
        rates.count_actor("ann")
    with pytest.raises(TooMany) as caught:
        rates.count_actor("ann")
    assert caught.value.about == {"after": 20}
    rates.count_actor("bob")
    clock.advance(20)
    rates.count_actor("ann")
    with pytest.raises(TooMany):
        rates.count_actor("ann")


def test_addresses_have_their_own() -> None:
    rates = Rates(FakeClock(), per_address=(1, 1.0))
    rates.count_address("1.2.3.4")
    rates.count_address("5.6.7.8")
    rates.count_actor("ann")
    with pytest.raises(TooMany):
        rates.count_address("1.2.3.4")


def test_memory_is_bounded() -> None:
    buckets = TokenBuckets(FakeClock(), (1, 1.0))
    for number in range(MOST_KNOWN * 2):
        buckets.take(str(number))
    assert len(buckets._left) == MOST_KNOWN
