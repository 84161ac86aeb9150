"""What ends by itself: turns that one holder has, and allowances that fill again. Part of ``CatalogueContract``."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from kist.errors import Clash
from kist.model.changes import CLOCK_SLACK, Add, Hold, Lapse, Spend
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_file

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


def hold(holder: str, *, at: int = 0, until: int = 30, term: str = "chore") -> Hold:
    """A hold, with times in seconds from now."""
    return Hold(term=term, holder=holder, at=NOW + at * SECOND, until=NOW + until * SECOND)


def spend(seconds: int, *, at: int = 0, most: int = 10, term: str = "ann") -> Spend:
    """A use of an allowance of ``most`` seconds."""
    now = NOW + at * SECOND
    return Spend(term=term, by=seconds * SECOND, at=now, at_most=now + most * SECOND)


async def refused(catalogue: Catalogue, change: Hold | Spend) -> None:
    """Demand that the change clashes and changes nothing, nor what is handed over with it."""
    before, file = await catalogue.term(change.term), a_file()
    with pytest.raises(Clash) as clash:
        await catalogue.commit(Add(file), change)
    assert clash.value.change == 1
    assert await catalogue.term(change.term) == before
    assert await catalogue.some_files([file.id]) == {}


class TermContract:
    """The duties of ``Hold``, ``Spend`` and ``Lapse``, and of ``Catalogue.now``."""

    async def test_the_time_is_one_that_all_share(self, catalogue: Catalogue) -> None:
        first, second = await catalogue.now(), await catalogue.now()
        assert first.utcoffset() == timedelta(0)
        assert first.tzinfo is not None
        assert first <= second.astimezone(UTC)

    async def test_one_holds_a_term_until_its_end(self, catalogue: Catalogue) -> None:
        assert await catalogue.term("chore") == 0
        await catalogue.commit(hold("one"))
        assert await catalogue.term("chore") == NOW + 30 * SECOND
        await refused(catalogue, hold("two", at=29, until=59))
        await catalogue.commit(hold("two", term="other"))
        await catalogue.commit(hold("two", at=30, until=60))
        await refused(catalogue, hold("one", at=40, until=70))

    async def test_a_holder_prolongs_and_gives_back(self, catalogue: Catalogue) -> None:
        await catalogue.commit(hold("one"))
        await catalogue.commit(hold("one", at=10, until=40))
        await refused(catalogue, hold("two", at=39, until=69))
        await catalogue.commit(hold("one", at=20, until=20))
        await catalogue.commit(hold("two", at=20, until=50))

    async def test_a_hold_of_a_time_before_the_clock_was_set_back(self, catalogue: Catalogue) -> None:
        await catalogue.commit(hold("one", at=36_000, until=36_030))
        await catalogue.commit(hold("two"))
        assert await catalogue.term("chore") == NOW + 30 * SECOND

    async def test_an_allowance_is_used_up_and_fills_again(self, catalogue: Catalogue) -> None:
        await catalogue.commit(spend(6))
        await catalogue.commit(spend(4))
        assert await catalogue.term("ann") == NOW + 10 * SECOND
        await refused(catalogue, spend(1))
        await catalogue.commit(spend(3, at=3))
        await refused(catalogue, spend(1, at=3))
        await catalogue.commit(spend(1, term="bob"))

    async def test_an_allowance_holds_no_more_than_itself(self, catalogue: Catalogue) -> None:
        await refused(catalogue, spend(11))
        await catalogue.commit(spend(1))
        await catalogue.commit(spend(10, at=1000))
        await refused(catalogue, spend(1, at=1000))

    async def test_an_allowance_of_a_time_before_the_clock_was_set_back(self, catalogue: Catalogue) -> None:
        await catalogue.commit(spend(10, at=36_000))
        await catalogue.commit(spend(10))
        await refused(catalogue, spend(1))
        behind = -(CLOCK_SLACK // SECOND) // 2
        await refused(catalogue, spend(1, at=behind))

    async def test_what_is_over_is_forgotten(self, catalogue: Catalogue) -> None:
        await catalogue.commit(hold("one", until=5), spend(7))
        await catalogue.commit(Lapse(NOW + 6 * SECOND))
        assert await catalogue.term("chore") == 0
        assert await catalogue.term("ann") == NOW + 7 * SECOND
        await catalogue.commit(hold("two", at=6, until=36), Lapse(NOW + 6 * SECOND))
        await refused(catalogue, hold("one", at=7, until=37))
