"""How SQL and URLs are read before a PostgreSQL server sees them."""

from __future__ import annotations

import re

import asyncpg
import pytest

from kist.catalogues.postgresql.address import Address, read_url
from kist.catalogues.postgresql.meaning import translate
from kist.catalogues.postgresql.parameters import bound, numbered
from kist.catalogues.sql.codecs import POSTGRES
from kist.catalogues.sql.migrations import read_migrations
from kist.errors import Broken, CatalogueBusy, Invalid, KistError, Misconfigured, StoreFull


def test_names_become_numbers_that_come_back() -> None:
    assert bound("a = :one AND b = :two OR c = :one", {"two": 2, "one": 1, "three": 3}) == (
        "a = $1 AND b = $2 OR c = $1",
        [1, 2],
    )


@pytest.mark.parametrize("sql", ["SELECT ':no'", "SELECT 'it''s :no'", "SELECT 1::text", r"a LIKE 'x' ESCAPE '\'"])
def test_what_is_no_parameter_stays(sql: str) -> None:
    assert numbered(sql) == (sql, ())


def test_a_url_may_say_how_many_connections() -> None:
    assert read_url("postgresql://ann:word@host:1/kist") == Address("postgresql://ann:word@host:1/kist", 10)
    asked = read_url("postgresql://host/kist?sslmode=require&connections=20&search_path=a")
    assert asked == Address("postgresql://host/kist?sslmode=require&search_path=a", 20)
    assert "word" not in repr(read_url("postgresql://ann:word@host/kist"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:word@host",
        "postgresql://ann:word@host:port/kist",
        "postgresql://ann:word@[host/kist",
        "postgresql://ann:word@host/kist?connections=0",
        "postgresql://ann:word@host/kist?connections=²",
        "postgresql://ann:word@host/kist?connections=",
        "mysql://ann:word@host/kist",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(Misconfigured, match="write postgresql://") as refused:
        read_url(url)
    assert "word@" not in str(refused.value).replace("password@", "")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (TimeoutError(), CatalogueBusy),
        (ConnectionRefusedError(), CatalogueBusy),
        (asyncpg.InterfaceError("connection is closed"), CatalogueBusy),
        (asyncpg.AdminShutdownError(""), CatalogueBusy),
        (asyncpg.CannotConnectNowError(""), CatalogueBusy),
        (asyncpg.TooManyConnectionsError(""), CatalogueBusy),
        (asyncpg.LockNotAvailableError(""), CatalogueBusy),
        (asyncpg.DeadlockDetectedError(""), CatalogueBusy),
        (asyncpg.ReadOnlySQLTransactionError(""), CatalogueBusy),
        (asyncpg.DiskFullError(""), StoreFull),
        (asyncpg.CharacterNotInRepertoireError(""), Invalid),
        (asyncpg.NumericValueOutOfRangeError(""), Invalid),
        (asyncpg.ProgramLimitExceededError(""), Invalid),
        (asyncpg.InvalidPasswordError("no"), Misconfigured),
        (asyncpg.InvalidCatalogNameError("no"), Misconfigured),
        (asyncpg.UndefinedTableError("no"), Broken),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_errors_mean(error: BaseException, meaning: type[KistError]) -> None:
    assert type(translate(error)) is meaning


def test_indexes_hold_no_column_that_is_only_read_from_an_index() -> None:
    statements = [text for migration in read_migrations() for text in migration.statements(POSTGRES)]
    indexes = [text for text in statements if text.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))]
    assert not any("folded" in text for text in indexes)
    assert "CREATE INDEX files_of_owner_by_name ON files (owner, name, id) WHERE state = 'ready'" in indexes
    assert all(re.search(r"\)( WHERE .*)?$", text) for text in indexes)
    assert any("folded" in text for text in statements), "the column itself stays"
