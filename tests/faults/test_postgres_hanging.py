"""A PostgreSQL that hangs is told from one that is slow: callers of the one are told soon, those of the other wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import psutil
import pytest
from tests.servers.daemon import suspended
from tests.servers.databases import ask, back_soon, holding, opened, waiting
from tests.servers.postgres import Cluster
from tests.servers.tapped import tapped

from kist.catalogues.postgresql import pulse
from kist.catalogues.postgresql.address import read_url
from kist.catalogues.postgresql.pulse import LATE, Pulse
from kist.catalogues.postgresql.runner import PostgresRunner
from kist.errors import CatalogueBusy
from kist.model.changes import Add, Count, Counter, Swap
from kist.model.query import FileQuery
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_file, an_upload, changed

TOLD_WITHIN = 2.0
MANY_ROWS = "SELECT a, b FROM generate_series(1, 1000) AS a, generate_series(1, 1000) AS b ORDER BY a + b"
PULSES = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'kist pulse' AND datname = current_database()"


@pytest.fixture
async def runner(database: str) -> AsyncIterator[PostgresRunner]:
    made = PostgresRunner(read_url(database))
    await made.open()
    yield made
    await made.close()


async def all_are_told(catalogue: Catalogue, within: float, callers: int = 4) -> None:
    """Demand that whoever reads or changes something is refused in time."""
    began = time.monotonic()
    attempts = [catalogue.file("none") for _ in range(callers)]
    attempts += [catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(callers)]  # type: ignore[misc]
    outcomes = await asyncio.gather(*attempts, catalogue.ping(), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {CatalogueBusy}
    assert time.monotonic() - began < within


@pytest.mark.parametrize("connections", [2, 10], ids=["callers wait for a connection", "each has one"])
async def test_a_server_that_hangs(cluster: Cluster, connections: int) -> None:
    async with opened(f"{cluster.server.url}?connections={connections}") as catalogue:
        kept = a_file()
        await catalogue.commit(Add(kept))
        await asyncio.gather(*(catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(10)))
        server = psutil.Process(cluster.pid)
        with suspended(server, *server.children()):
            await all_are_told(catalogue, TOLD_WITHIN)
            await all_are_told(catalogue, 0.2)  # nobody waits any more for what is known not to answer
            await asyncio.sleep(2)
            await all_are_told(catalogue, 0.2)
        await back_soon(catalogue)
        assert await catalogue.file(kept.id) == kept


async def test_one_caller_is_told_while_other_connections_are_idle(database: str) -> None:
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:
            await asyncio.gather(*(catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(10)))
            tap.stalls = True
            began = time.monotonic()
            with pytest.raises(CatalogueBusy):
                await catalogue.file("none")
            assert time.monotonic() - began < TOLD_WITHIN
            tap.stalls = False
            await back_soon(catalogue)
            assert (await catalogue.files(FileQuery(visible_to="ann"))).items


async def test_a_way_to_the_server_that_stalls(database: str) -> None:
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:
            kept = a_file()
            await catalogue.commit(Add(kept))
            tap.stalls = True
            await all_are_told(catalogue, TOLD_WITHIN)
            await all_are_told(catalogue, 0.2)
            tap.stalls = False
            await back_soon(catalogue)
            assert await catalogue.file(kept.id) == kept


async def test_connections_that_are_dead_are_replaced_without_a_word(cluster: Cluster) -> None:
    """The server is there, but what was said to it on the connections that were open is never heard."""
    async with opened(f"{cluster.server.url}?connections=3") as catalogue:
        kept = a_file()
        await catalogue.commit(Add(kept))
        await asyncio.gather(*(catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(10)))
        url = cluster.server.url
        backends = await ask(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'kist'")
        assert len(backends) == 3
        with suspended(*(psutil.Process(pid) for (pid,) in backends)):
            began = time.monotonic()
            added = a_file()
            found, *_ = await asyncio.gather(
                catalogue.file(kept.id), catalogue.commit(Add(added), Add(a_file())), catalogue.usage("ann")
            )
            assert time.monotonic() - began < TOLD_WITHIN
            assert found == kept
            assert await catalogue.file(added.id) == added


async def test_a_server_that_is_too_busy_for_one_connection_more(database: str) -> None:
    """What it answers on the others shows that it is there."""
    with tapped(database) as tap:
        runner = PostgresRunner(read_url(tap.url))
        await runner.open()
        tap.ignores = b"kist pulse"
        slow = asyncio.create_task(runner.fetch("SELECT pg_sleep(4)", {}))
        while not slow.done():
            assert await runner.find("SELECT 1", {}) is not None
            await asyncio.sleep(0.05)
        assert len(await slow) == 1
        await runner.close()


@pytest.mark.parametrize("mark", ["BEGIN\0", "the file", "COMMIT\0"])
async def test_a_connection_that_dies_within_a_commit(database: str, mark: str) -> None:
    """From some statement on nothing is heard any more: the commit is made on another connection, once."""
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:
            one = Count(owner="ann", counter=Counter.FILES, by=1)
            await catalogue.commit(Add(a_file()), Add(an_upload()), one)  # which prepares the statements
            began = time.monotonic()
            file = a_file()
            tap.ignores = (file.id if mark == "the file" else mark).encode()
            commit = asyncio.create_task(catalogue.commit(Add(file), Add(an_upload()), one))
            await asyncio.sleep(0.3)
            tap.ignores = b""
            await commit
            assert LATE < time.monotonic() - began < TOLD_WITHIN
            assert await catalogue.file(file.id) == file
            assert (await catalogue.usage("ann")).files == 2


async def test_slow_work_is_waited_for(runner: PostgresRunner) -> None:
    began = time.monotonic()
    rows = await asyncio.gather(
        runner.fetch("SELECT pg_sleep(3)", {}),
        runner.fetch(MANY_ROWS, {}),
        runner.find("SELECT pg_sleep(3)", {}),
    )
    assert [len(found or ()) for found in rows] == [1, 1_000_000, 1]
    assert time.monotonic() - began >= 3


async def test_a_row_that_others_hold_is_waited_for(database: str) -> None:
    async with opened(f"{database}?connections=2") as catalogue:
        file = a_file()
        await catalogue.commit(Add(file))
        async with holding(database, file.id):
            commit = asyncio.create_task(catalogue.commit(Swap(file, changed(file, name="new")), Add(a_file())))
            await waiting(database)
            await asyncio.sleep(3)
            assert await ask(database, PULSES) == [(1,)]
        await commit
        assert (await catalogue.file(file.id)).name == "new"


async def test_nobody_is_asked_when_nothing_is_slow(runner: PostgresRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it together takes longer than what is slow, and nothing alone."""
    asked: list[Pulse] = []
    ask_on = Pulse._ask_on

    async def noted(pulse: Pulse) -> None:
        asked.append(pulse)
        await ask_on(pulse)

    monkeypatch.setattr(Pulse, "_ask_on", noted)
    monkeypatch.setattr(pulse, "LATE", 2.0)  # so that this process may be held up for a while
    for _ in range(110):
        await runner.fetch("SELECT pg_sleep(0.02)", {})
    assert asked == []
    await runner.fetch("SELECT pg_sleep(2.5)", {})
    assert len(asked) == 1
