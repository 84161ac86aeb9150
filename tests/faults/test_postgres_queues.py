"""Commits that count for one owner go one behind another, several in one transaction: none pays for it."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from typing import Any

import pytest
from tests.servers.databases import ask, holding, opened, waiting
from tests.servers.tapped import Harm, tapped

from kist.catalogues.postgresql import queues
from kist.errors import Clash, Invalid
from kist.model.changes import Add, Count, Counter, Swap
from kist.model.file import File
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_file, changed

pytestmark = pytest.mark.usefixtures("patient")

MADE = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
OTHERS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
CONNECTIONS = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'kist' AND datname = current_database()"


def counted(file: File, by: int = 1, at_most: int | None = None) -> tuple[Add, Count]:
    return Add(file), Count(owner="ann", counter=Counter.FILES, by=by, at_most=at_most)


async def all_made(catalogue: Catalogue, files: list[File], at_most: int | None = None) -> list[Any]:
    """What became of a commit for each of the files, all at once."""
    commits = (catalogue.commit(*counted(file, at_most=at_most)) for file in files)
    return await asyncio.gather(*commits, return_exceptions=True)


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes ahead of a commit that takes long, as each does where the machine stands still."""
    monkeypatch.setattr(queues, "SLOW", 60.0)


async def commits_made(database: str) -> int:
    """How many transactions were committed, when nobody is there any longer who has not told it yet."""
    async with asyncio.timeout(30):
        while await ask(database, OTHERS):  # noqa: ASYNC110 - the server's processes end by themselves
            await asyncio.sleep(0.02)
    ((count,),) = await ask(database, MADE)
    return int(count)


@pytest.mark.usefixtures("in_turn")
async def test_they_leave_connections_to_others(database: str) -> None:
    async with opened(database) as catalogue:
        files = [a_file() for _ in range(200)]
        assert await all_made(catalogue, files) == [None] * 200
        assert (await catalogue.usage("ann")).files == 200
        assert len(await catalogue.some_files([file.id for file in files])) == 200
        assert len(await ask(database, CONNECTIONS)) <= 3


@pytest.mark.usefixtures("in_turn")
async def test_they_go_together(database: str) -> None:
    async with opened(database) as catalogue:
        await all_made(catalogue, [a_file()])
    before = await commits_made(database)
    async with opened(database) as catalogue:
        assert await all_made(catalogue, [a_file() for _ in range(200)]) == [None] * 200
    assert await commits_made(database) - before < 50


async def test_a_limit_lets_in_just_as_many_as_there_is_room_for(database: str) -> None:
    async with opened(database) as catalogue:
        files = [a_file() for _ in range(50)]
        outcomes = await all_made(catalogue, files, at_most=30)
        assert Tally(map(type, outcomes)) == {type(None): 30, Clash: 20}
        assert {outcome.change for outcome in outcomes if outcome} == {1}
        made = {file.id for file, outcome in zip(files, outcomes, strict=True) if outcome is None}
        assert set(await catalogue.some_files([file.id for file in files])) == made
        assert (await catalogue.usage("ann")).files == 30


async def test_one_that_is_wrong_is_refused_alone(database: str) -> None:
    async with opened(database) as catalogue:
        files = [a_file() for _ in range(20)]
        files[7] = a_file(name="a\0b")
        files[11] = files[3]
        outcomes = await all_made(catalogue, files)
        assert {index: type(outcome) for index, outcome in enumerate(outcomes) if outcome} == {7: Invalid, 11: Clash}
        assert (await catalogue.usage("ann")).files == 18


@pytest.mark.usefixtures("long_locks")
async def test_one_that_waits_for_something_else_keeps_nobody(database: str) -> None:
    async with opened(database) as catalogue:
        held = a_file()
        await catalogue.commit(*counted(held))
        async with holding(database, held.id):
            one = Count(owner="ann", counter=Counter.FILES, by=1)
            stuck = asyncio.create_task(catalogue.commit(Swap(held, changed(held, name="new")), one))
            await waiting(database)
            async with asyncio.timeout(20):
                assert await all_made(catalogue, [a_file() for _ in range(20)]) == [None] * 20
            assert not stuck.done()
        await stuck
        assert (await catalogue.usage("ann")).files == 22


@pytest.mark.usefixtures("long_locks")
async def test_one_of_several_that_waits_for_something_else_keeps_nobody(database: str) -> None:
    async with opened(database) as catalogue:
        held, one = a_file(), Count(owner="ann", counter=Counter.FILES, by=1)
        await catalogue.commit(*counted(held))
        async with holding(database, held.id):
            files = [a_file() for _ in range(40)]
            first = [asyncio.create_task(catalogue.commit(*counted(file))) for file in files[:20]]
            stuck = asyncio.create_task(catalogue.commit(Swap(held, changed(held, name="new")), one))
            last = [asyncio.create_task(catalogue.commit(*counted(file))) for file in files[20:]]
            async with asyncio.timeout(20):
                assert await asyncio.gather(*first, *last) == [None] * 40
                assert await catalogue.some_files([held.id]) == {held.id: held}
            assert not stuck.done()
        await stuck
        assert (await catalogue.usage("ann")).files == 42


async def test_what_has_not_begun_is_dropped_with_its_caller(database: str) -> None:
    async with opened(database) as catalogue:
        files = [a_file() for _ in range(5)]
        tasks = [asyncio.create_task(catalogue.commit(*counted(file))) for file in files]
        await asyncio.sleep(0)  # the first has begun, the others wait
        tasks[1].cancel()
        tasks[3].cancel()
        await asyncio.wait(tasks)
        assert set(await catalogue.some_files([file.id for file in files])) == {files[n].id for n in (0, 2, 4)}
        assert (await catalogue.usage("ann")).files == 3


async def test_what_waits_is_made_before_the_catalogue_is_closed(database: str) -> None:
    files = [a_file() for _ in range(20)]
    async with opened(database) as catalogue:
        tasks = [asyncio.create_task(catalogue.commit(*counted(file))) for file in files]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    async with opened(database) as catalogue:
        assert len(await catalogue.some_files([file.id for file in files])) == 20


@pytest.mark.usefixtures("in_turn")
@pytest.mark.parametrize("harm", [Harm.LOSE, Harm.CUT])
async def test_a_lost_answer_to_several_is_found_out_for_all(database: str, harm: Harm) -> None:
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:
            await all_made(catalogue, [a_file()])
            files = [a_file() for _ in range(20)]
            tasks = [asyncio.create_task(catalogue.commit(*counted(file))) for file in files]
            await tasks[0]  # which goes alone; the others go now
            tap.harm(harm)
            assert await asyncio.gather(*tasks) == [None] * 20
            assert tap.harmed == 1
            assert len(await catalogue.some_files([file.id for file in files])) == 20
            assert (await catalogue.usage("ann")).files == 21
