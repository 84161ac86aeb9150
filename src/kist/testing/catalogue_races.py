"""What a catalogue must do when many ask at once. Needs an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from kist.errors import Clash
from kist.model.changes import Add, Count, Counter, Hold, Spend, Swap
from kist.model.file import FileState
from kist.model.query import FileQuery
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_doomed, a_file, changed


async def outcomes(*tries: Coroutine[Any, Any, None]) -> tuple[int, int]:
    """How many succeeded and how many clashed; any other error is raised."""
    results = await asyncio.gather(*tries, return_exceptions=True)
    for result in results:
        if result is not None and not isinstance(result, Clash):
            raise result
    return results.count(None), len(results) - results.count(None)


class CatalogueRaces:
    """Duties towards concurrent callers."""

    async def test_fifty_counts_against_a_limit_of_ten(self, catalogue: Catalogue) -> None:
        one = Count(owner="ann", counter=Counter.UPLOADS, by=1, at_most=10)
        assert await outcomes(*(catalogue.commit(one) for _ in range(50))) == (10, 40)
        assert (await catalogue.usage("ann")).uploads == 10

    async def test_fifty_swaps_from_the_same_row(self, catalogue: Catalogue) -> None:
        file = a_file()
        await catalogue.commit(Add(file))
        swaps = [Swap(file, changed(file, version=2, name=f"{number}")) for number in range(50)]
        assert await outcomes(*(catalogue.commit(swap, Add(a_doomed())) for swap in swaps)) == (1, 49)
        assert (await catalogue.file(file.id)).version == 2
        assert len(await catalogue.doomed(file.created_at, 100)) == 1

    async def test_fifty_removals_of_one_file(self, catalogue: Catalogue) -> None:
        file = a_file()
        await catalogue.commit(Add(file), Count(owner="ann", counter=Counter.FILES, by=1))
        removal = Swap(file, changed(file, state=FileState.REMOVED))
        less = Count(owner="ann", counter=Counter.FILES, by=-1)
        assert await outcomes(*(catalogue.commit(less, removal) for _ in range(50))) == (1, 49)
        assert (await catalogue.usage("ann")).files == 0

    async def test_fifty_adds_of_one_id(self, catalogue: Catalogue) -> None:
        file = a_file()
        tries = [Add(changed(file, name=f"{number}")) for number in range(50)]
        more = Count(owner="ann", counter=Counter.FILES, by=1)
        assert await outcomes(*(catalogue.commit(more, one) for one in tries)) == (1, 49)
        assert (await catalogue.usage("ann")).files == 1

    async def test_fifty_who_want_one_turn(self, catalogue: Catalogue) -> None:
        tries = [Hold(term="chore", holder=f"{number}", at=1, until=2) for number in range(50)]
        assert await outcomes(*(catalogue.commit(each) for each in tries)) == (1, 49)

    async def test_fifty_who_use_one_allowance_of_ten(self, catalogue: Catalogue) -> None:
        one = Spend(term="ann", by=3, at=100, at_most=130)
        assert await outcomes(*(catalogue.commit(one) for _ in range(50))) == (10, 40)
        assert await catalogue.term("ann") == 130

    async def test_unrelated_commits_all_succeed(self, catalogue: Catalogue) -> None:
        files = [a_file() for _ in range(600)]
        more = Count(owner="ann", counter=Counter.FILES, by=1)
        assert await outcomes(*(catalogue.commit(Add(file), more) for file in files)) == (600, 0)
        assert (await catalogue.usage("ann")).files == 600
        assert len((await catalogue.files(FileQuery(visible_to="ann", limit=1000))).items) == 600

    async def test_readers_see_whole_commits_only(self, catalogue: Catalogue) -> None:
        async def write() -> None:
            for _ in range(30):
                await catalogue.commit(Add(a_file()), Add(a_file()))

        async def read() -> None:
            for _ in range(30):
                page = await catalogue.files(FileQuery(visible_to="ann", limit=1000))
                assert len(page.items) % 2 == 0

        await asyncio.gather(write(), read(), read())

    async def test_what_is_committed_is_seen_at_once(self, catalogue: Catalogue) -> None:
        async def write_and_read() -> None:
            for _ in range(10):
                file = a_file()
                await catalogue.commit(Add(file))
                assert await catalogue.file(file.id) == file
                page = await catalogue.files(FileQuery(visible_to="ann", limit=1000))
                assert file in page.items

        await asyncio.gather(*(write_and_read() for _ in range(10)))

    async def test_a_cancelled_commit_harms_nobody(self, catalogue: Catalogue) -> None:
        gone = [asyncio.ensure_future(catalogue.commit(Add(a_file(owner="gone")))) for _ in range(20)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        kept = a_file()
        await catalogue.commit(Add(kept))
        assert await catalogue.file(kept.id) == kept
