"""What the runner does when the database takes a transaction back, or a connection dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.django_host.databases import alias_for, in_process

in_process()

from django.db import OperationalError, transaction  # noqa: E402

from kist.catalogues.sql.statements import Statement  # noqa: E402
from kist.django import runner as runners  # noqa: E402
from kist.django.runner import DjangoRunner, placed  # noqa: E402
from kist.drive import drive  # noqa: E402
from kist.errors import CatalogueBusy  # noqa: E402


class Said(Exception):
    """What a driver says: a SQLSTATE, or nothing when it noticed by itself."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def failure(sqlstate: str | None) -> OperationalError:
    """As Django wraps it."""
    error = OperationalError("the server says no")
    error.__cause__ = Said(sqlstate)
    return error


@pytest.fixture
def alias(tmp_path: Path) -> Iterator[str]:
    with alias_for(f"sqlite:///{tmp_path / 'db.sqlite3'}") as alias:
        drive(DjangoRunner(alias).write([Statement("CREATE TABLE things (id TEXT PRIMARY KEY)", {}, counted=False)]))
        yield alias


class Failing:
    """An attempt that fails some times before it is made. ``late``: at the commit itself."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, sqlstate: str | None, times: int, *, late: bool = False
    ) -> None:
        self.tried = 0
        make = runners._Attempt.make

        def failing(attempt: Any, statements: Any) -> int | None:
            self.tried += 1
            if self.tried <= times:
                attempt.committing = late
                raise failure(sqlstate)
            return make(attempt, statements)

        monkeypatch.setattr(runners._Attempt, "make", failing)


ADD = [Statement("INSERT INTO things (id) VALUES (:id)", {"id": "a"})]


def there(alias: str) -> int:
    ((count,),) = drive(DjangoRunner(alias).fetch("SELECT COUNT(*) FROM things", {}))
    return int(count)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "57P01", None])
def test_what_was_taken_back_is_made_again(alias: str, monkeypatch: pytest.MonkeyPatch, sqlstate: str | None) -> None:
    failing = Failing(monkeypatch, sqlstate, times=2)
    assert drive(DjangoRunner(alias).write(ADD)) is None
    assert (failing.tried, there(alias)) == (3, 1)


def test_not_for_ever(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, "40001", times=100)
    with pytest.raises(CatalogueBusy):
        drive(DjangoRunner(alias).write(ADD))
    assert 3 <= failing.tried <= 10


def test_a_commit_whose_answer_is_lost_is_not_made_again(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, None, times=1, late=True)
    with pytest.raises(CatalogueBusy):
        drive(DjangoRunner(alias).write(ADD))
    assert failing.tried == 1


def test_nor_is_a_part_of_the_callers_transaction(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, "40001", times=1)
    with pytest.raises(CatalogueBusy), transaction.atomic(using=alias):
        drive(DjangoRunner(alias).write(ADD))
    assert failing.tried == 1


def test_parameters_are_placed_and_nothing_else() -> None:
    assert placed("a = :a AND b LIKE '%:c' AND d::text = :d") == "a = %(a)s AND b LIKE '%%:c' AND d::text = %(d)s"
    assert placed("n % :every = 0") == "n %% %(every)s = 0"
