"""Runs the catalogue's SQL on one of Django's own connections: in the caller's transaction where there is one.

Everything blocks, in the thread of the caller, and nothing suspends: see ``kist.drive``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from django.db import Error, IntegrityError, connections, transaction

from kist.catalogues.sql.codecs import POSTGRES, SQLITE, Codec
from kist.catalogues.sql.runner import Params
from kist.catalogues.sql.statements import Statement, in_order
from kist.django.meaning import Failure, is_lost, is_rolled_back, translate
from kist.django.turns import turn
from kist.errors import Misconfigured

_CODECS: dict[str, Codec] = {"sqlite": SQLITE, "postgresql": POSTGRES}
_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, None)
"""Seconds before each further attempt at what the server has rolled back."""

# Literals and casts are passed over; a name begins with a letter.
_TOKEN = re.compile(r"'(?:[^']|'')*'|::|:([a-z]\w*)|%")

T = TypeVar("T")


class _Refused(Exception):
    """A counted statement did not touch its row."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class DjangoRunner:
    """See ``kist.catalogues.sql.runner.Runner``. ``alias`` names the connection in ``DATABASES``.

    ``Misconfigured`` for a database that is neither SQLite nor PostgreSQL.
    """

    def __init__(self, alias: str = "default") -> None:
        vendor = connections[alias].vendor
        if vendor not in _CODECS:
            raise Misconfigured(f"Kist keeps its rows in SQLite or PostgreSQL, the database {alias!r} is {vendor}")
        self.codec = _CODECS[vendor]
        self._alias = alias

    async def find(self, sql: str, params: Params) -> Sequence[Any] | None:
        rows = self._ask(sql, params)
        return rows[0] if rows else None

    async def fetch(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        return self._ask(sql, params)

    async def write(self, statements: Sequence[Statement], *, frees: bool = False) -> int | None:
        outermost = not connections[self._alias].in_atomic_block
        for pause in _PAUSES:
            attempt = _Attempt(self._alias)
            try:
                with turn(self._alias):
                    return attempt.make(statements)
            except Failure as error:
                self._forget_broken(error)
                # Where nothing was committed, and nothing else is part of the transaction, the same may be tried again.
                if not outermost or pause is None or attempt.committing or not _may_succeed(error):
                    raise translate(error) from error
                time.sleep(pause)  # noqa: ASYNC251 - nothing here suspends: see kist.drive
        raise AssertionError("the last pause is None")

    async def close(self) -> None:
        """Connections are Django's to close."""

    def _ask(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        if not all(self.codec.holds(value) for value in params.values() if isinstance(value, str)):
            return ()
        text = placed(sql)

        def rows() -> Sequence[Sequence[Any]]:
            with connections[self._alias].cursor() as cursor:
                cursor.execute(text, params)
                found: Sequence[Sequence[Any]] = cursor.fetchall()
                return found

        return self._again_if_dead(rows)

    def _again_if_dead(self, ask: Callable[[], T]) -> T:
        """The answer to a question, which is asked again when its connection turns out to be a dead one."""
        for last in (False, True):
            try:
                return ask()
            except Failure as error:
                outermost = not connections[self._alias].in_atomic_block
                self._forget_broken(error)
                if last or not outermost or not is_lost(error):
                    raise translate(error) from error
        raise AssertionError("the last attempt returns or raises")

    def _forget_broken(self, error: BaseException) -> None:
        """Have Django connect anew; inside a transaction of the caller's that is theirs to do."""
        connection = connections[self._alias]
        if is_lost(error) and not connection.in_atomic_block:
            connection.close()


class _Attempt:
    """One attempt at a commit. ``committing``: whether all was done but the commit itself."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self.committing = False

    def make(self, statements: Sequence[Statement]) -> int | None:
        try:
            with transaction.atomic(using=self._alias):
                with connections[self._alias].cursor() as cursor:
                    for index in in_order(statements):
                        if not self._run(cursor, statements[index]):
                            raise _Refused(index)
                self.committing = True
        except _Refused as refused:
            return refused.index
        return None

    def _run(self, cursor: Any, statement: Statement) -> bool:
        """Whether the statement did what it has to."""
        try:
            cursor.execute(placed(statement.sql), statement.params)
        except IntegrityError:
            if statement.counted:
                return False
            raise
        return not statement.counted or cursor.rowcount == 1


def _may_succeed(error: BaseException) -> bool:
    return is_lost(error) or (isinstance(error, Error) and is_rolled_back(error))


@lru_cache(maxsize=2048)
def placed(sql: str) -> str:
    """``:name`` parameters as Django's cursors take them, whatever the database."""

    def place(token: re.Match[str]) -> str:
        name = token[1]
        return token[0].replace("%", "%%") if name is None else f"%({name})s"

    return _TOKEN.sub(place, sql)
