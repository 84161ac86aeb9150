"""Rows in one SQLite file, which several processes of one machine may share."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.migrations import Migration, migrate, read_migrations
from kist.catalogues.sqlite.runner import SqliteRunner
from kist.errors import Misconfigured
from kist.ports.system import Clock
from kist.ports.wiring import Wiring


async def connect(wiring: Wiring) -> SqlCatalogue:
    """The catalogue that a URL like ``sqlite:///path`` names, made or brought up to date first."""
    return await open_catalogue(read_url(wiring.url), wiring.clock)


def read_url(url: str) -> Path:
    """The file that ``sqlite:///path`` names. ``Misconfigured`` for any other URL."""
    path = url.removeprefix("sqlite:///")
    if path in (url, ""):
        raise Misconfigured("KIST_DATABASE: write sqlite:///path, with four slashes for an absolute path")
    return Path(path)


async def bring_up_to_date(url: str, clock: Clock) -> tuple[str, ...]:
    """Make the database that ``url`` names, or bring it up to date; the names of the migrations that were applied."""
    return tuple(migration.name for migration in await migrate_database(read_url(url), clock))


def known_migrations() -> dict[int, str]:
    """The names of this release's migrations, by number."""
    return {migration.number: migration.name for migration in read_migrations()}


async def exists(url: str) -> bool:
    """Whether there is a database that rows can be copied from."""
    return read_url(url).exists()


async def open_catalogue(path: Path, clock: Clock) -> SqlCatalogue:
    """The catalogue in the file at ``path``, made or brought up to date first.

    Must be called, used and closed in one event loop. ``Misconfigured`` when there can be no database there;
    otherwise what any change may raise.
    """
    runner = await _open(path)
    try:
        await migrate(runner, clock)
    except BaseException:
        await runner.close()
        raise
    return SqlCatalogue(runner, clock)


async def migrate_database(path: Path, clock: Clock) -> tuple[Migration, ...]:
    """Make the database, or bring it up to date; return the migrations that this call applied."""
    runner = await _open(path)
    try:
        return await migrate(runner, clock)
    finally:
        await runner.close()


async def _open(path: Path) -> SqliteRunner:
    return await asyncio.to_thread(SqliteRunner, path, asyncio.get_running_loop())
