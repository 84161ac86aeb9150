"""PostgreSQL goes away: the caller is told soon, nothing acknowledged is lost, and it goes on when it is back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Iterator

import pytest
from tests.faults.rig.pauses import soon
from tests.servers.databases import ask, back_soon, holding, opened, waiting
from tests.servers.postgres import Cluster
from tests.servers.tapped import Harm, Tap, tapped

from kist.catalogues.postgresql import open_catalogue
from kist.catalogues.postgresql.address import read_url
from kist.errors import CatalogueBusy, Clash, FileMissing
from kist.model.changes import Add, Count, Counter, Swap
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_file, changed
from kist.testing.clock import FakeClock

TOLD_WITHIN = 2.0


@pytest.fixture
def tap(database: str) -> Iterator[Tap]:
    with tapped(database) as made:
        yield made


async def refused(attempt: Awaitable[object]) -> float:
    """Demand that this is refused; after how many seconds it was."""
    began = time.monotonic()
    with pytest.raises(CatalogueBusy):
        await attempt
    return time.monotonic() - began


async def told(catalogue: Catalogue) -> float:
    """Demand that reads and changes are refused; seconds until the one that waited longest was."""
    attempts = (catalogue.file("none"), catalogue.commit(Add(a_file()), Add(a_file())), catalogue.ping())
    return max([await refused(attempt) for attempt in attempts])


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
async def test_a_server_that_is_stopped_and_started(cluster: Cluster, how: signal.Signals) -> None:
    async with opened(cluster.server.url) as catalogue:
        kept = a_file()
        await catalogue.commit(Add(kept))

        async def stop() -> float:
            cluster.stop(how)
            took = await told(catalogue)
            cluster.start()
            await back_soon(catalogue)
            return took

        await soon(TOLD_WITHIN, stop)
        assert await catalogue.file(kept.id) == kept


async def written_until_refused(catalogue: Catalogue, kept: list[str]) -> float:
    """Add files, one after another, and note which are acknowledged; seconds until the refusal of the last was told."""
    while True:
        file, one = a_file(), Count(owner="ann", counter=Counter.FILES, by=1)
        began = time.monotonic()
        try:
            await catalogue.commit(Add(file), one)
        except CatalogueBusy:
            return time.monotonic() - began
        kept.append(file.id)


async def test_nothing_acknowledged_is_lost_when_the_server_is_stopped_under_load(cluster: Cluster) -> None:
    async with opened(cluster.server.url) as catalogue:
        kept: list[str] = []
        unsure = 0

        async def stop() -> float:
            nonlocal unsure
            writers = [asyncio.create_task(written_until_refused(catalogue, kept)) for _ in range(20)]
            unsure += len(writers)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
            took = max(await asyncio.gather(*writers))
            await asyncio.to_thread(cluster.start)
            await back_soon(catalogue)
            return took

        await soon(TOLD_WITHIN, stop)
        found = [await catalogue.file(file_id) for file_id in kept]
        counted = (await catalogue.usage("ann")).files
        ((rows,),) = await ask(cluster.server.url, "SELECT count(*) FROM files")
        assert len(found) <= counted == rows <= len(found) + unsure, "a file and its count come together or not at all"


async def test_no_server_at_all(dead_port: int) -> None:
    address = read_url(f"postgresql://kist:x@127.0.0.1:{dead_port}/kist")
    await soon(TOLD_WITHIN, lambda: refused(open_catalogue(address, FakeClock())))


async def test_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = read_url(f"postgresql://kist:x@127.0.0.1:{deaf.getsockname()[1]}/kist")
        await soon(TOLD_WITHIN, lambda: refused(open_catalogue(address, FakeClock())))


@pytest.mark.usefixtures("patient", "long_locks")
@pytest.mark.parametrize("kill", ["terminated", "killed"])
async def test_a_backend_that_dies_within_a_commit(cluster: Cluster, kill: str) -> None:
    """The commit waits for a row that another session holds, so that it is certainly under way."""
    url = cluster.server.url
    async with opened(url) as catalogue, opened(url) as other:
        held, added = a_file(), a_file()
        await catalogue.commit(Add(held))
        async with holding(url, held.id):
            commit = asyncio.create_task(catalogue.commit(Add(added), Swap(held, changed(held, name="new"))))
            victim = await waiting(url)
            if kill == "terminated":
                await ask(url, "SELECT pg_terminate_backend($1)", victim)
            else:
                os.kill(victim, signal.SIGKILL)  # which makes the server end all others and recover
            await asyncio.sleep(0.1)
        await asyncio.wait([commit])
        await back_soon(other)
        if isinstance(commit.exception(), CatalogueBusy):
            with pytest.raises(FileMissing):
                await other.file(added.id)
            assert await other.file(held.id) == held
        else:  # the connection was lost before the commit was asked for, so it was made on another one
            assert commit.exception() is None
            assert await other.file(added.id) == added
            assert (await other.file(held.id)).name == "new"
        await back_soon(catalogue)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("harm", Harm, ids=["answer lost", "never arrived"])
@pytest.mark.parametrize("many", [1, 50])
async def test_a_commit_that_is_lost_is_asked_after(tap: Tap, harm: Harm, many: int) -> None:
    """It is found made, or made again: once either way."""
    async with opened(tap.url) as catalogue:
        files, one = [a_file() for _ in range(many)], Count(owner="ann", counter=Counter.FILES, by=1)
        further = (one,) if many == 1 else ()
        tap.harm(harm)
        await catalogue.commit(*map(Add, files), *further)
        assert tap.harmed == 1
        assert len(await catalogue.some_files([file.id for file in files])) == many
        with pytest.raises(Clash):
            await catalogue.commit(*map(Add, files), *further)
        assert (await catalogue.usage("ann")).files == len(further)


async def test_a_lost_commit_that_nobody_can_be_asked_after(database: str) -> None:
    async def lose() -> float:
        with tapped(database) as tap:
            async with opened(tap.url) as catalogue, opened(database) as other:
                file, one = a_file(), Count(owner="ann", counter=Counter.FILES, by=1)
                tap.harm(Harm.LOSE, for_good=True)
                took = await refused(catalogue.commit(Add(file), one))
                assert await other.file(file.id) == file, "it may have been made all the same"
                return took

    await soon(TOLD_WITHIN, lose)


@pytest.mark.usefixtures("patient")
async def test_a_change_of_one_row_that_is_lost(tap: Tap) -> None:
    """It has no commit of its own to be asked after: the caller has to look."""
    async with opened(tap.url) as catalogue:
        file = a_file()
        tap.harm(Harm.LOSE, file.id.encode())
        with pytest.raises(CatalogueBusy):
            await catalogue.commit(Add(file))
        assert await catalogue.file(file.id) == file


@pytest.mark.usefixtures("patient")
async def test_a_connection_that_is_lost_earlier_is_replaced_without_a_word(tap: Tap) -> None:
    async with opened(tap.url) as catalogue:
        file, one = a_file(), Count(owner="ann", counter=Counter.FILES, by=1)
        tap.harm(Harm.LOSE, b"BEGIN\0")
        await catalogue.commit(Add(file), one)
        assert (await catalogue.usage("ann")).files == 1
        tap.harm(Harm.CUT, file.id.encode())
        assert await catalogue.file(file.id) == file
        assert tap.harmed == 2


@pytest.mark.usefixtures("patient")
async def test_idle_connections_that_died_are_no_matter(cluster: Cluster) -> None:
    async with opened(cluster.server.url) as catalogue:
        await asyncio.gather(*(catalogue.commit(Add(a_file()), Add(a_file())) for _ in range(10)))
        await ask(
            cluster.server.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kist'",
        )
        file = a_file()
        await catalogue.commit(Add(file), Add(a_file()))
        assert await catalogue.file(file.id) == file
