"""The SQLite runner: its settings, its turns, what it refuses, and what a caller who gives up leaves behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kist.catalogues import sqlite
from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.migrations import read_migrations
from kist.catalogues.sqlite import bring_up_to_date, connection, migrate_database, open_catalogue
from kist.catalogues.sqlite.connection import connect, file_system, translate
from kist.errors import Broken, CatalogueBusy, FileMissing, Invalid, Misconfigured
from kist.model.changes import Add, Change, Count, Counter
from kist.model.query import FileQuery
from kist.ports.wiring import Wiring
from kist.testing.catalogue_samples import a_file
from kist.testing.clock import FakeClock, FakeIds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kist.db"


@pytest.fixture
async def catalogue(path: Path) -> AsyncIterator[SqlCatalogue]:
    catalogue = await open_catalogue(path, FakeClock())
    yield catalogue
    await catalogue.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock, as another program would that knows nothing of Kist."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def lockable(descriptor: int) -> bool:
    """Take the lock, if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_connections_have_the_settings_that_durability_stands_on(path: Path) -> None:
    database = connect(path)
    settings = {
        name: database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    database.close()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_a_setting_that_is_not_accepted_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection._PRAGMAS, "journal_mode", "nonsense")
    with pytest.raises(Misconfigured, match="journal_mode"):
        connect(path)


async def test_only_the_owner_may_read_the_files(catalogue: SqlCatalogue, path: Path) -> None:
    await catalogue.commit(Add(a_file()))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_an_idle_writer_holds_no_lock(catalogue: SqlCatalogue, path: Path) -> None:
    await catalogue.commit(Add(a_file()))
    descriptor = os.open(f"{path}.lock", os.O_RDWR)
    async with asyncio.timeout(30):
        while not lockable(descriptor):  # noqa: ASYNC110 - the writer lets go a moment after it has answered
            await asyncio.sleep(0.01)
    os.close(descriptor)
    with locked(path):
        pass


async def test_an_impossible_place_is_named(tmp_path: Path) -> None:
    for place in (tmp_path / "absent" / "kist.db", tmp_path):
        with pytest.raises(Misconfigured, match="cannot be opened"):
            await open_catalogue(place, FakeClock())


def test_another_file_is_not_taken_for_a_database(path: Path) -> None:
    path.write_bytes(b"these are somebody's notes, not a database" * 100)
    with pytest.raises(Broken, match="SQLITE_NOTADB"):
        asyncio.run(open_catalogue(path, FakeClock()))
    assert path.read_bytes().startswith(b"these are")


async def test_a_database_is_named_by_its_url(path: Path) -> None:
    clock, url = FakeClock(), f"sqlite:///{path}"
    assert len(await bring_up_to_date(url, clock)) == len(read_migrations())
    assert await bring_up_to_date(url, clock) == ()
    file = a_file()
    catalogue = await sqlite.connect(Wiring(url, clock, FakeIds(), asyncio.to_thread))
    await catalogue.commit(Add(file))
    await catalogue.close()
    again = await open_catalogue(path, clock)
    assert await again.file(file.id) == file
    await again.close()
    for wrong in ("sqlite:", "sqlite:///", "sqlite://host/path", "sqlite:/path", str(path)):
        with pytest.raises(Misconfigured, match="sqlite:///path"):
            await bring_up_to_date(wrong, clock)


async def test_network_file_systems_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "file_system", lambda path: "nfs4")
    with pytest.raises(Misconfigured, match="network file system"):
        await open_catalogue(path, FakeClock())


def test_the_file_system_of_a_path_is_known() -> None:
    assert file_system(Path("/proc")) == "proc"


def test_a_broken_page_is_broken_for_the_operator(path: Path) -> None:
    asyncio.run(migrate_database(path, FakeClock()))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(Broken, match="SQLITE_CORRUPT"):
        asyncio.run(open_catalogue(path, FakeClock()))


async def test_foreign_texts_do_not_leak() -> None:
    database = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("SELECT secret FROM nowhere")
    database.close()
    assert "nowhere" not in translate(caught.value).message


async def test_a_value_that_cannot_be_stored_fails_its_own_commit_alone(catalogue: SqlCatalogue) -> None:
    good = [a_file() for _ in range(5)]
    bad: list[Change] = [
        Add(a_file(name="\ud800")),
        Add(a_file(size=1 << 63)),
        Count(owner="ann", counter=Counter.BYTES, by=1 << 63),
    ]
    tries = [catalogue.commit(Add(file)) for file in good]
    tries[2:2] = [catalogue.commit(Count(owner="x", counter=Counter.FILES, by=1), change) for change in bad]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results] == [type(None)] * 2 + [Invalid] * 3 + [type(None)] * 3
    for file in good:
        assert await catalogue.file(file.id) == file
    assert (await catalogue.usage("x")).files == 0


async def test_one_value_among_many_alike_that_cannot_be_stored(catalogue: SqlCatalogue) -> None:
    files = [a_file() for _ in range(100)]
    for wrong in (a_file(name="\ud800"), a_file(size=1 << 63)):
        with pytest.raises(Invalid):
            await catalogue.commit(*map(Add, files[:60]), Add(wrong), *map(Add, files[60:]))
    assert await catalogue.some_files([file.id for file in files]) == {}
    await catalogue.commit(*map(Add, files))
    assert len(await catalogue.some_files([file.id for file in files])) == 100


async def test_what_its_caller_gave_up_is_never_made(catalogue: SqlCatalogue, path: Path) -> None:
    gone, kept = a_file(), a_file()
    with locked(path):
        first = asyncio.ensure_future(catalogue.commit(Add(gone)))
        second = asyncio.ensure_future(catalogue.commit(Add(kept)))
        await asyncio.sleep(0.1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    await second
    assert await catalogue.file(kept.id) == kept
    with pytest.raises(FileMissing):
        await catalogue.file(gone.id)


async def test_reads_go_on_while_another_holds_the_write_lock(catalogue: SqlCatalogue, path: Path) -> None:
    file = a_file()
    await catalogue.commit(Add(file))
    with locked(path):
        async with asyncio.timeout(30):  # who waits for the lock gives up long before
            assert await catalogue.file(file.id) == file
            assert (await catalogue.files(FileQuery(visible_to="ann"))).items == (file,)


async def test_many_commits_share_a_transaction(catalogue: SqlCatalogue, path: Path) -> None:
    ran: list[str] = []
    catalogue._runner._writer._connection.set_trace_callback(ran.append)  # type: ignore[attr-defined]
    with locked(path):
        commits = [asyncio.ensure_future(catalogue.commit(Add(a_file()))) for _ in range(300)]
        await asyncio.sleep(0.1)
    await asyncio.gather(*commits)
    assert ran.count("COMMIT") == 2  # 256 and 44


async def test_the_event_loop_runs_while_a_list_is_searched(catalogue: SqlCatalogue) -> None:
    await catalogue.commit(*(Add(a_file(name="x" * 200)) for _ in range(3000)))

    async def turns() -> int:
        search = asyncio.ensure_future(catalogue.files(FileQuery(visible_to="ann", text="xxxxxxxy")))
        count = 0
        while not search.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert max([await turns() for _ in range(10)]) > 10


async def test_closing_finishes_what_was_handed_over(path: Path) -> None:
    catalogue = await open_catalogue(path, FakeClock())
    files = [a_file() for _ in range(300)]
    commits = [asyncio.ensure_future(catalogue.commit(Add(file))) for file in files]
    await asyncio.sleep(0)
    await catalogue.close()
    await asyncio.gather(*commits)
    with pytest.raises(CatalogueBusy):
        await catalogue.commit(Add(a_file()))
    again = await open_catalogue(path, FakeClock())
    for file in files:
        assert await again.file(file.id) == file
    await again.close()
