"""Rows in a PostgreSQL database, which any number of processes on any number of machines may share."""

from __future__ import annotations

from kist.catalogues.postgresql.address import Address, read_url
from kist.catalogues.postgresql.runner import PostgresRunner
from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.migrations import Migration, migrate, read_migrations, unapplied
from kist.ports.system import Clock
from kist.ports.wiring import Wiring

_HAS_TABLES = "SELECT to_regclass('migrations') IS NOT NULL"
_APPLIED = "SELECT number FROM migrations"


async def connect(wiring: Wiring) -> SqlCatalogue:
    """The catalogue that a URL like ``postgresql://user:password@host/database`` names, brought up to date first."""
    return await open_catalogue(read_url(wiring.url), wiring.clock)


async def bring_up_to_date(url: str, clock: Clock) -> tuple[str, ...]:
    """Make the tables in the database that ``url`` names, or bring them up to date; what migrations were applied."""
    return tuple(migration.name for migration in await migrate_database(read_url(url), clock))


def known_migrations() -> dict[int, str]:
    """The names of this release's migrations, by number."""
    return {migration.number: migration.name for migration in read_migrations()}


async def applied_migrations(url: str) -> frozenset[int]:
    """The numbers of the migrations that the database at ``url`` has; changes nothing.

    ``Misconfigured`` when it cannot be used, ``CatalogueBusy`` when no server answers.
    """
    runner = PostgresRunner(read_url(url))
    await runner.open()
    try:
        if not await _has_tables(runner):
            return frozenset()
        return frozenset(number for (number,) in await runner.fetch(_APPLIED, {}))
    finally:
        await runner.close()


async def exists(url: str) -> bool:
    """Whether there is a database that rows can be copied from."""
    return bool(await applied_migrations(url))


async def open_catalogue(address: Address, clock: Clock) -> SqlCatalogue:
    """The catalogue in the database at ``address``, its tables made or brought up to date first.

    Must be called, used and closed in one event loop. ``Misconfigured`` when the address leads to no database that can
    be used, ``CatalogueBusy`` when no server answers there.
    """
    await migrate_database(address, clock)
    runner = PostgresRunner(address)
    await runner.open()
    return SqlCatalogue(runner)


async def migrate_database(address: Address, clock: Clock) -> tuple[Migration, ...]:
    """Bring the tables up to date; return the migrations that this call applied.

    One process does so at a time, the others wait for it. With nothing to do, no lock is taken and no right to make
    tables is needed.
    """
    # One connection holds the lock while another changes the tables.
    runner = PostgresRunner(Address(address.url, connections=2), hurried=False)
    await runner.open()
    try:
        if await _is_up_to_date(runner):
            return ()
        async with runner.alone():
            return await migrate(runner, clock)
    finally:
        await runner.close()


async def _is_up_to_date(runner: PostgresRunner) -> bool:
    return await _has_tables(runner) and not await unapplied(runner)


async def _has_tables(runner: PostgresRunner) -> bool:
    ((found,),) = await runner.fetch(_HAS_TABLES, {})
    return bool(found)
