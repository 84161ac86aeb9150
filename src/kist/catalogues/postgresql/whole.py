"""A commit as one statement, so that the server is asked once for all of it.

Its statements become parts of one ``WITH``, which the server carries out on one snapshot and in no promised order
(PostgreSQL, "Data-Modifying Statements in WITH"). So none may read or write what another one writes: each has a table
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import Template
from typing import Any, NamedTuple

from kist.catalogues.postgresql.parameters import numbered, prefixed
from kist.catalogues.sql.statements import Statement, in_order

MARK = "pg_current_xact_id()::text, pg_postmaster_start_time()::text"
"""By these two a lost commit is asked after: the transaction, and the run of the server in which it has that number."""

_ONE_ROW = Template("(SELECT count(*) FROM $part) = 1")


class Whole(NamedTuple):
    """Answers one row: whether every part did what it has to, and the mark of the transaction."""

    text: str
    values: list[Any]


def whole(statements: Sequence[Statement]) -> Whole | None:
    """The commit as one statement, None when it cannot be one or is one already."""
    tables = {statement.table for statement in statements}
    if len(statements) < 2 or len(tables) < len(statements) or "" in tables:
        return None
    ordered = [statements[index] for index in in_order(statements)]
    text, names = _joined(tuple((statement.sql, statement.counted) for statement in ordered))
    return Whole(text, [ordered[part].params[name] for part, name in names])


@lru_cache(maxsize=512)
def _joined(parts: tuple[tuple[str, bool], ...]) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The text, and for each of its numbers the part and the name of the value there."""
    bodies = ", ".join(
        f"part{index} AS ({prefixed(sql, f'p{index}_')} RETURNING 1)" for index, (sql, _) in enumerate(parts)
    )
    counted = (f"part{index}" for index, (_, counted) in enumerate(parts) if counted)
    done = " AND ".join(_ONE_ROW.substitute(part=part) for part in counted) or "true"
    text, names = numbered(f"WITH {bodies} SELECT {done}, {MARK}")
    return text, tuple(_part_and_name(name) for name in names)


def _part_and_name(name: str) -> tuple[int, str]:
    part, _, own = name.partition("_")
    return int(part[1:]), own
