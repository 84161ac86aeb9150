"""Others at the same PostgreSQL: they are waited for, up to a limit, and never show through."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.faults.rig.pauses import soon
from tests.servers.databases import ask, execute, holding, opened, waiting

from kist.catalogues.postgresql.address import read_url
from kist.catalogues.postgresql.runner import PostgresRunner
from kist.errors import CatalogueBusy, Clash, Invalid
from kist.model.changes import Add, Count, Counter, Swap
from kist.model.query import FileQuery, Sort
from kist.testing.catalogue_samples import a_file, at, changed

pytestmark = pytest.mark.usefixtures("patient")


@pytest.mark.usefixtures("long_locks")
async def test_a_lock_of_others_is_waited_for(database: str) -> None:
    async with opened(database) as catalogue:
        file = a_file()
        await catalogue.commit(Add(file))
        async with holding(database, file.id):
            commit = asyncio.create_task(catalogue.commit(Swap(file, changed(file, name="new")), Add(a_file())))
            await waiting(database)
            await asyncio.sleep(1)
        await commit
        assert (await catalogue.file(file.id)).name == "new"


async def test_a_lock_that_stays_is_not_waited_for_too_long(database: str) -> None:
    async with opened(database) as catalogue:
        file, added = a_file(), a_file()
        await catalogue.commit(Add(file))

        async def wait() -> float:
            began = time.monotonic()
            with pytest.raises(CatalogueBusy):
                await catalogue.commit(Add(added), Swap(file, changed(file, name="new")))
            took = time.monotonic() - began
            assert took > 4
            return took

        async with holding(database, file.id):
            await soon(8, wait)
        assert await catalogue.some_files([file.id, added.id]) == {file.id: file}


async def test_a_pool_that_is_exhausted(database: str) -> None:
    async with opened(f"{database}?connections=2") as catalogue:
        file = a_file()
        await catalogue.commit(Add(file))

        async def exhaust() -> float:
            async with holding(database, file.id):
                swaps = (Swap(file, changed(file, name=f"{n}")) for n in range(2))
                stuck = [asyncio.create_task(catalogue.commit(swap)) for swap in swaps]
                await waiting(database)
                began = time.monotonic()
                outcomes = await asyncio.gather(*(catalogue.file(file.id) for _ in range(20)), return_exceptions=True)
                took = time.monotonic() - began
                assert {type(outcome) for outcome in outcomes} <= {CatalogueBusy, type(file)}
            await asyncio.wait(stuck)
            return took

        await soon(7, exhaust)
        assert await catalogue.file(file.id) in [file, *(changed(file, name=f"{n}") for n in range(2))]
        await asyncio.gather(*(catalogue.commit(Add(a_file())) for _ in range(20)))


async def test_no_more_connections_than_were_asked_for(database: str) -> None:
    async with opened(f"{database}?connections=3") as catalogue:
        await asyncio.gather(*(catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(60)))
        rows = await ask(
            database,
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'kist' AND datname = current_database()",
        )
        assert len(rows) == 3


async def test_counts_of_the_same_owners_in_different_orders(database: str) -> None:
    """They are made in one order, so that nobody waits in a circle."""
    async with opened(database) as catalogue:
        owners = [f"owner{number}" for number in range(4)]
        dice = random.Random(6)

        async def count() -> None:
            for _ in range(10):
                order = dice.sample(owners, 4)
                await catalogue.commit(*(Count(owner=owner, counter=Counter.FILES, by=1) for owner in order))

        await asyncio.gather(*(count() for _ in range(6)))
        assert [(await catalogue.usage(owner)).files for owner in owners] == [60] * 4
    ((deadlocks,),) = await ask(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0


async def test_commits_that_wait_for_each_other(database: str) -> None:
    """The server ends one of the two; it is made again, and then sees what the other has done."""
    async with opened(database) as catalogue:
        for _ in range(5):
            files = [a_file() for _ in range(30)]
            await catalogue.commit(*map(Add, files))
            there = [Swap(file, changed(file, name="there")) for file in files]
            back = [Swap(file, changed(file, name="back")) for file in reversed(files)]
            outcomes = await asyncio.gather(
                catalogue.commit(*there, Add(a_file())), catalogue.commit(*back, Add(a_file())), return_exceptions=True
            )
            assert sorted(map(type, outcomes), key=str) == sorted((Clash, type(None)), key=str)
            name = "there" if outcomes[0] is None else "back"
            found = await catalogue.some_files([file.id for file in files])
            assert {file.name for file in found.values()} == {name}


async def test_callers_who_leave_leave_nothing_behind(database: str) -> None:
    async with opened(f"{database}?connections=2") as catalogue:
        for number in range(60):
            commit = asyncio.create_task(catalogue.commit(Add(a_file()), Add(a_file())))
            question = asyncio.create_task(catalogue.files(FileQuery(visible_to="ann")))
            await asyncio.sleep(number * 0.0002)
            commit.cancel()
            question.cancel()
            await asyncio.wait([commit, question])
        await asyncio.wait_for(asyncio.gather(*(catalogue.ping() for _ in range(4))), 30)
        assert len((await catalogue.files(FileQuery(visible_to="ann", limit=1000))).items) % 2 == 0
    rows = await ask(database, "SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
    assert rows == []


async def test_many_alike_of_which_one_clashes(database: str) -> None:
    async with opened(database) as catalogue:
        files = [a_file() for _ in range(200)]
        await catalogue.commit(Add(files[123]))
        with pytest.raises(Clash) as refused:
            await catalogue.commit(*map(Add, files))
        assert refused.value.change == 123
        with pytest.raises(Invalid):
            await catalogue.commit(*map(Add, files[:50]), Add(a_file(name="a\0b")))
        assert len((await catalogue.files(FileQuery(visible_to="ann", limit=1000))).items) == 1
        await catalogue.commit(*map(Add, files[:123]))


async def test_values_that_cannot_be_held_are_refused_and_the_connection_lives(database: str) -> None:
    async with opened(f"{database}?connections=1") as catalogue:
        for bad in ({"name": "a\0b"}, {"name": "\ud800"}, {"size": 1 << 63}):
            for further in ((), (Add(a_file()),)):
                with pytest.raises(Invalid):
                    await catalogue.commit(Add(a_file(**bad)), *further)
        rows = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kist' AND datname = current_database()"
        assert await ask(database, rows) == [(1,)]
        assert (await catalogue.files(FileQuery(visible_to=None))).items == ()


async def test_the_longest_names_fit_their_indexes(database: str) -> None:
    """Of characters that do not compress, and that grow when they are folded."""
    dice = random.Random(46)
    names = [
        "".join(chr(dice.choice(range(0x20000, 0x2A000))) for _ in range(255)),
        "".join(chr(dice.choice([*range(0x1F80, 0x1FB0), *range(0x4E00, 0x9F00)])) for _ in range(255)),
    ]
    owner, kind, bucket = "o" + "x1Y_" * 31 + "abc", "application/" + "x9" * 100, "b" * 63
    async with opened(database) as catalogue:
        for name in names:
            address = f"{owner}/{name}".encode()[:1024].decode(errors="ignore")
            file = a_file(name=name, owner=owner, type=kind, bucket=bucket, address=address)
            await catalogue.commit(Add(file))
            assert (await catalogue.files(FileQuery(visible_to=owner, text=name, sort=Sort.NAME))).items == (file,)


async def test_the_latest_and_the_earliest_time(database: str) -> None:
    async with opened(database) as catalogue:
        for time_ in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)):
            file = a_file(created_at=time_)
            await catalogue.commit(Add(file))
            found = (await catalogue.file(file.id)).created_at
            assert abs(found - time_) <= timedelta(microseconds=1), "the driver takes them for infinities"
            await catalogue.commit(Swap(file, changed(file, created_at=at(1))))


async def test_a_session_does_not_take_over_what_the_database_prefers(database: str) -> None:
    name = database.rpartition("/")[2]
    settings = ("synchronous_commit = off", "default_transaction_isolation = 'serializable'", "jit = on")
    await execute(database, *(f'ALTER DATABASE "{name}" SET {setting}' for setting in settings))
    runner = PostgresRunner(read_url(database))
    await runner.open()
    found = [
        (await runner.fetch(f"SHOW {setting}", {}))[0][0]
        for setting in ("synchronous_commit", "transaction_isolation", "jit")
    ]
    await runner.close()
    assert found == ["on", "read committed", "off"]
