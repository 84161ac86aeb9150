"""A PostgreSQL that hangs is told from one that is slow: callers of the one are told soon, those of the other wait."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import psutil
import pytest
from tests.faults.rig.pauses import ATTEMPTS, soon
from tests.servers.daemon import suspended
from tests.servers.databases import ask, back_soon, holding, opened, waiting
from tests.servers.postgres import Cluster
from tests.servers.tapped import tapped

from kist.catalogues.postgresql import pulse
from kist.catalogues.postgresql import runner as running
from kist.catalogues.postgresql.address import read_url
from kist.catalogues.postgresql.pulse import ANSWER, LATE, Pulse
from kist.catalogues.postgresql.runner import PostgresRunner
from kist.errors import CatalogueBusy
from kist.model.changes import Add, Count, Counter, Swap
from kist.model.query import FileQuery
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_file, an_upload, changed

TOLD_WITHIN = 2.0
AT_ONCE = 0.2
MANY_ROWS = "SELECT a, b FROM generate_series(1, 1000) AS a, generate_series(1, 1000) AS b ORDER BY a + b"
PULSES = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'kist pulse' AND datname = current_database()"


@pytest.fixture
async def runner(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresRunner]:
    monkeypatch.setattr(running, "FIND_PATIENCE", 20.0)  # what takes 3 s may take longer when the server is held up
    made = PostgresRunner(read_url(database))
    await made.open()
    yield made
    await made.close()


async def all_are_told(catalogue: Catalogue, callers: int = 4) -> float:
    """Demand that whoever reads or changes something is refused; seconds until the last one was."""
    began = time.monotonic()
    attempts = [catalogue.file("none") for _ in range(callers)]
    attempts += [catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(callers)]  # type: ignore[misc]
    outcomes = await asyncio.gather(*attempts, catalogue.ping(), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {CatalogueBusy}
    return time.monotonic() - began


async def open_some(catalogue: Catalogue) -> None:
    """Have the catalogue open connections."""
    await asyncio.gather(*(catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(10)))


@pytest.mark.parametrize("connections", [2, 10], ids=["callers wait for a connection", "each has one"])
async def test_a_server_that_hangs(cluster: Cluster, connections: int) -> None:
    server = psutil.Process(cluster.pid)
    async with opened(f"{cluster.server.url}?connections={connections}") as catalogue:
        kept = a_file()
        await catalogue.commit(Add(kept))

        async def hang() -> float:
            await open_some(catalogue)
            with suspended(server, *server.children()):
                took = await all_are_told(catalogue)
                # Nobody waits any more for what is known not to answer.
                await soon(AT_ONCE, lambda: all_are_told(catalogue))
                await asyncio.sleep(2)
                await soon(AT_ONCE, lambda: all_are_told(catalogue))
            await back_soon(catalogue)
            return took

        await soon(TOLD_WITHIN, hang)
        assert await catalogue.file(kept.id) == kept


async def test_one_caller_is_told_while_other_connections_are_idle(database: str) -> None:
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:

            async def stall() -> float:
                await open_some(catalogue)
                tap.stalls = True
                began = time.monotonic()
                with pytest.raises(CatalogueBusy):
                    await catalogue.file("none")
                took = time.monotonic() - began
                tap.stalls = False
                await back_soon(catalogue)
                return took

            await soon(TOLD_WITHIN, stall)
            assert (await catalogue.files(FileQuery(visible_to="ann"))).items


async def test_a_way_to_the_server_that_stalls(database: str) -> None:
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:
            kept = a_file()
            await catalogue.commit(Add(kept))

            async def stall() -> float:
                tap.stalls = True
                took = await all_are_told(catalogue)
                await soon(AT_ONCE, lambda: all_are_told(catalogue))
                tap.stalls = False
                await back_soon(catalogue)
                return took

            await soon(TOLD_WITHIN, stall)
            assert await catalogue.file(kept.id) == kept


async def test_connections_that_are_dead_are_replaced_without_a_word(cluster: Cluster) -> None:
    """The server is there, but what was said to it on the connections that were open is never heard."""
    url = cluster.server.url
    question = "SELECT pid FROM pg_stat_activity WHERE application_name = 'kist'"

    async def die() -> float:
        async with opened(f"{url}?connections=3") as catalogue:
            kept, added = a_file(), a_file()
            await catalogue.commit(Add(kept))
            await open_some(catalogue)
            backends = await ask(url, question)
            assert len(backends) == 3
            with suspended(*(psutil.Process(pid) for (pid,) in backends)):
                began = time.monotonic()
                found, *_ = await asyncio.gather(
                    catalogue.file(kept.id), catalogue.commit(Add(added), Add(a_file())), catalogue.usage("ann")
                )
                took = time.monotonic() - began
                assert found == kept
                assert await catalogue.file(added.id) == added
        async with asyncio.timeout(30):
            while await ask(url, question):  # noqa: ASYNC110 - the server's processes end by themselves
                await asyncio.sleep(0.02)
        return took

    await soon(TOLD_WITHIN, die)


async def test_a_server_that_is_too_busy_for_one_connection_more(database: str) -> None:
    """What it answers on the others shows that it is there."""
    with tapped(database) as tap:
        tap.ignores = b"kist pulse"
        for left in reversed(range(ATTEMPTS)):
            if await is_found_there(tap.url):
                return
            assert left


async def is_found_there(url: str) -> bool:
    """Whether slow work and some beside it were done. If not, there was no answer to see for too long meanwhile."""
    runner = PostgresRunner(read_url(url))
    await runner.open()
    slow = asyncio.create_task(runner.fetch("SELECT pg_sleep(4)", {}))
    answered = time.monotonic()
    try:
        while not slow.done():
            assert await runner.find("SELECT 1", {}) is not None
            answered = time.monotonic()
            await asyncio.sleep(0.05)
        assert len(await slow) == 1
    except CatalogueBusy:
        assert time.monotonic() - answered > 0.4 * ANSWER
        return False
    finally:
        await asyncio.wait([slow])
        await runner.close()
    return True


@pytest.mark.parametrize("mark", ["BEGIN\0", "the file", "COMMIT\0"])
async def test_a_connection_that_dies_within_a_commit(database: str, mark: str) -> None:
    """From some statement on nothing is heard any more: the commit is made on another connection, once."""
    with tapped(database) as tap:
        async with opened(tap.url) as catalogue:
            one = Count(owner="ann", counter=Counter.FILES, by=1)
            made = 0

            async def die() -> float:
                nonlocal made
                await catalogue.commit(Add(a_file()), Add(an_upload()), one)  # which prepares the statements
                file = a_file()
                tap.ignores = (file.id if mark == "the file" else mark).encode()
                began = time.monotonic()
                commit = asyncio.create_task(catalogue.commit(Add(file), Add(an_upload()), one))
                await asyncio.sleep(0.3)
                tap.ignores = b""
                await commit
                took = time.monotonic() - began
                made += 2
                assert await catalogue.file(file.id) == file
                assert (await catalogue.usage("ann")).files == made
                return took if took > LATE else math.inf  # or it was not said yet what was to be ignored

            await soon(TOLD_WITHIN, die)


async def test_slow_work_is_waited_for(runner: PostgresRunner) -> None:
    began = time.monotonic()
    rows = await asyncio.gather(
        runner.fetch("SELECT pg_sleep(3)", {}),
        runner.fetch(MANY_ROWS, {}),
        runner.find("SELECT pg_sleep(3)", {}),
    )
    assert [len(found or ()) for found in rows] == [1, 1_000_000, 1]
    assert time.monotonic() - began >= 3


@pytest.mark.usefixtures("long_locks")
async def test_a_row_that_others_hold_is_waited_for(database: str) -> None:
    async with opened(f"{database}?connections=2") as catalogue:
        file = a_file()
        await catalogue.commit(Add(file))
        async with holding(database, file.id):
            commit = asyncio.create_task(catalogue.commit(Swap(file, changed(file, name="new")), Add(a_file())))
            await waiting(database)
            await asyncio.sleep(3)
            async with asyncio.timeout(20):
                while await ask(database, PULSES) != [(1,)]:  # noqa: ASYNC110 - it is opened again when it was held up
                    await asyncio.sleep(0.05)
        await commit
        assert (await catalogue.file(file.id)).name == "new"


async def test_nobody_is_asked_when_nothing_is_slow(runner: PostgresRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it together takes longer than what is slow, and nothing alone."""
    asked: list[Pulse] = []
    ask_on = Pulse._ask_on

    async def noted(pulse: Pulse) -> None:
        asked.append(pulse)
        await ask_on(pulse)

    async def longest() -> float:
        """Seconds that one of many short questions took."""
        asked.clear()
        times = [time.monotonic()]
        for _ in range(110):
            await runner.fetch("SELECT pg_sleep(0.02)", {})
            times.append(time.monotonic())
        return max(later - earlier for earlier, later in pairwise(times))

    monkeypatch.setattr(Pulse, "_ask_on", noted)
    monkeypatch.setattr(pulse, "LATE", 2.0)
    await soon(1.0, longest)  # else it was right to ask
    assert asked == []
    await runner.fetch("SELECT pg_sleep(2.5)", {})
    assert len(asked) == 1
