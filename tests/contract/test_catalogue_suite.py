"""The catalogue suite catches every deliberately broken catalogue, and blames the duty that is broken."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from kist.catalogues.memory import MemoryCatalogue
from kist.testing import broken_catalogues as broken
from kist.testing.catalogues import CatalogueContract, CatalogueRaces
from kist.testing.clock import FakeClock

CAUGHT_BY: dict[type[MemoryCatalogue], str] = {
    broken.KeepsPartOfRefusedCommits: "test_nothing_of_a_refused_commit_stays",
    broken.BlamesTheFirstChange: "test_counts_in_one_commit_add_up",
    broken.LooksBeforeItLeaps: "test_fifty_counts_against_a_limit_of_ten",
    broken.AddsOverWhatIsThere: "test_an_id_is_taken_once",
    broken.SwapsWithoutComparing: "test_a_swap_compares_each_field_that_it_changes",
    broken.SwapsWithoutLookingAtStates: "test_a_swap_compares_the_state_always",
    broken.SwapsWholeRows: "test_a_swap_ignores_fields_that_it_leaves_alone",
    broken.DropsWhateverTheState: "test_a_drop_needs_the_row_and_its_state",
    broken.CountsWithoutLimit: "test_a_count_stops_at_its_limit",
    broken.CountsFreelyAtFirst: "test_the_first_count_of_an_owner_is_limited_too",
    broken.DropsTies: "test_ties_are_broken_by_id",
    broken.ShowsEverythingToAll: "test_actors_see_their_own",
    broken.LetsOwnerWiden: "test_owner_does_not_widen_what_is_visible",
    broken.SearchesExactCase: "test_searches_fold_case_in_every_script",
    broken.SearchesPatterns: "test_special_characters_are_searched_literally",
    broken.ListsPendingFiles: "test_only_ready_files_are_listed",
    broken.SaysThereIsMore: "test_pages_put_together_are_the_whole",
    broken.ForgetsMicroseconds: "test_times_keep_their_microseconds",
    broken.ListsRevokedKeys: "test_keys_lists_what_is_not_revoked",
    broken.ErasesTooEarly: "test_doomed_places_come_when_their_time_has_come",
    broken.SharesIdempotencyKeys: "test_idempotency_keys_belong_to_their_actor",
    broken.KeepsKeysOfEndedJobs: "test_sealed_keys_of_a_job_until_they_are_discarded",
    broken.HoldsForAnybody: "test_one_holds_a_term_until_its_end",
    broken.SpendsWithoutLimit: "test_an_allowance_is_used_up_and_fills_again",
    broken.SavesAllowancesUp: "test_an_allowance_holds_no_more_than_itself",
}


class Suite(CatalogueContract, CatalogueRaces):
    """Not collected: run by hand below."""


def fails(duty: str, kind: type[MemoryCatalogue]) -> bool:
    """Whether a catalogue of this kind fails this duty."""

    async def run() -> None:
        await asyncio.wait_for(getattr(Suite(), duty)(kind(FakeClock())), timeout=20)

    try:
        asyncio.run(run())
    except (Exception, pytest.fail.Exception):
        return True
    return False


def test_every_broken_catalogue_is_listed_here() -> None:
    assert set(CAUGHT_BY) == set(broken.BROKEN)


@pytest.mark.parametrize("kind", broken.BROKEN)
def test_the_suite_catches(kind: type[MemoryCatalogue]) -> None:
    assert fails(CAUGHT_BY[kind], kind)


def test_the_suite_catches_nothing_where_nothing_is_broken() -> None:
    duties = [name for name, _ in inspect.getmembers(Suite, inspect.iscoroutinefunction) if name.startswith("test_")]
    assert len(duties) > 40
    assert [duty for duty in duties if fails(duty, MemoryCatalogue)] == []
