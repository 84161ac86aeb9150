"""Numbered migrations: each is applied once, wholly or not at all, whoever starts at the same time or is killed.

A migration is one commit whose first statement takes the migration's number. A process that finds the number taken
changes nothing; one that is killed leaves the number free. Numbers unknown here belong to a newer release, which
may run side by side with this one, so they are left alone.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from string import Template

import msgspec

from kist.catalogues.sql.codecs import Codec, time_text
from kist.catalogues.sql.runner import Runner
from kist.catalogues.sql.statements import Statement
from kist.errors import Misconfigured
from kist.ports.system import Clock

_TABLE = Template(
    """
    CREATE TABLE IF NOT EXISTS migrations (
        number $bigint NOT NULL PRIMARY KEY, name $text NOT NULL, checksum $text NOT NULL, applied_at $text NOT NULL
    )
    """
)
_TAKE = """
    INSERT INTO migrations (number, name, checksum, applied_at) VALUES (:number, :name, :checksum, :applied_at)
    ON CONFLICT (number) DO NOTHING
"""
_APPLIED = "SELECT number, checksum FROM migrations"

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_STATEMENT_END = re.compile(r";[ \t]*\n")


class Migration(msgspec.Struct, frozen=True):
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, codec: Codec) -> list[str]:
        """The statements, without comments, as the database spells them."""
        lines = (line for line in self.text.splitlines(keepends=True) if not line.lstrip().startswith("--"))
        text = Template("".join(lines) + "\n").substitute(codec.words)
        return [codec.spell(statement) for part in _STATEMENT_END.split(text) if (statement := part.strip())]


def read_migrations() -> list[Migration]:
    """The migrations that come with this release, by number."""
    found = []
    for entry in files(__package__).joinpath("migrations").iterdir():
        if match := _FILE_NAME.fullmatch(entry.name):
            found.append(Migration(int(match[1]), match[2], entry.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(runner: Runner, clock: Clock, migrations: list[Migration] | None = None) -> tuple[Migration, ...]:
    """Apply what is not applied yet, and return what this call applied.

    ``Misconfigured`` when the database was made by a migration of the same number but another text.
    """
    known = read_migrations() if migrations is None else migrations
    await runner.write([Statement(_TABLE.substitute(runner.codec.words), counted=False)])
    return tuple([migration for migration in known if await _apply(runner, clock, migration)])


async def _apply(runner: Runner, clock: Clock, migration: Migration) -> bool:
    """Apply one migration unless it is applied already; whether it was this call that did."""
    applied = await _checksums(runner)
    if migration.number not in applied:
        if await runner.write([_take(migration, clock), *_changes(runner, migration)]) is None:
            return True
        applied = await _checksums(runner)
    _demand_the_same(migration, applied)
    return False


async def unapplied(runner: Runner) -> list[Migration]:
    """What this release would still apply to a database that has the table of migrations; changes nothing.

    ``Misconfigured`` as ``migrate``.
    """
    applied = await _checksums(runner)
    known = read_migrations()
    for migration in known:
        if migration.number in applied:
            _demand_the_same(migration, applied)
    return [migration for migration in known if migration.number not in applied]


def _demand_the_same(migration: Migration, applied: dict[int, str]) -> None:
    if applied.get(migration.number) != migration.checksum:
        raise Misconfigured(
            f"the database was made with another version of migration {migration.number} ({migration.name}): "
            "start the release that made it, or restore a backup that fits this one",
            migration=migration.number,
        )


async def _checksums(runner: Runner) -> dict[int, str]:
    return {number: checksum for number, checksum in await runner.fetch(_APPLIED, {})}


def _take(migration: Migration, clock: Clock) -> Statement:
    params = {
        "number": migration.number,
        "name": migration.name,
        "checksum": migration.checksum,
        "applied_at": time_text(clock.now()),
    }
    return Statement(_TAKE, params)


def _changes(runner: Runner, migration: Migration) -> list[Statement]:
    return [Statement(sql, counted=False) for sql in migration.statements(runner.codec)]
