"""Changes as SQL: one statement for each, which touches exactly one row, or none when the change clashes.

The texts are made from the table descriptions alone; values only ever travel as named parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache, lru_cache
from string import Template
from typing import Any

import msgspec

from kist.catalogues.sql.codecs import Codec
from kist.catalogues.sql.schema import TABLES, RowCodec, Table, table_of
from kist.model.changes import (
    CLOCK_SLACK,
    Add,
    Change,
    Clear,
    Count,
    Discard,
    Drop,
    Forget,
    Hold,
    Keep,
    Lapse,
    Row,
    Spend,
    Swap,
    Use,
)
from kist.model.job import StepState
from kist.model.link import Link

_MOVE = Template(
    """
    INSERT INTO usage (owner, $counters) VALUES (:owner, $values)
    ON CONFLICT (owner) DO UPDATE SET $sums
    """
)
# The WHERE of the SELECT judges the first use of an owner, that of the UPDATE every later one.
_MOVE_WITHIN = Template(
    """
    INSERT INTO usage (owner, $counters)
    SELECT CAST(:owner AS text), $values
    WHERE ($first) OR EXISTS (SELECT 1 FROM usage WHERE owner = :owner)
    ON CONFLICT (owner) DO UPDATE SET $sums
    WHERE $later
    """
)
_USE = """
    UPDATE links SET uses = uses + :times, last_used_at = :at
    WHERE id = :link AND revoked_at IS NULL AND (max_uses IS NULL OR uses + :times <= max_uses)
"""
_FORGET = "DELETE FROM entries WHERE dest = :dest AND key = :key"
_CLEAR = "DELETE FROM steps WHERE job = :job AND state <> :done"
_DISCARD = "DELETE FROM sealed_keys WHERE job = :job"
_HOLD = """
    INSERT INTO terms (id, holder, until) VALUES (:term, :holder, :until)
    ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE terms.holder = excluded.holder OR terms.until <= :at OR terms.until > :beyond
"""
_FURTHER = "CASE WHEN terms.until > :at AND terms.until <= :beyond THEN terms.until ELSE :at END + CAST(:by AS bigint)"
_SPEND = f"""
    INSERT INTO terms (id, holder, until)
    SELECT CAST(:term AS text), '', CAST(:at AS bigint) + CAST(:by AS bigint)
    WHERE CAST(:at AS bigint) + CAST(:by AS bigint) <= :at_most OR EXISTS (SELECT 1 FROM terms WHERE id = :term)
    ON CONFLICT (id) DO UPDATE SET until = {_FURTHER} WHERE {_FURTHER} <= :at_most
"""  # noqa: S608 - all of it stands here
_LAPSE = "DELETE FROM terms WHERE until <= :at"


class Statement(msgspec.Struct, frozen=True):
    """SQL with ``:name`` parameters. ``counted``: it must touch exactly one row, or the whole commit is refused.

    ``table`` is the only one that it reads and writes, empty where nobody says so. ``wanted`` names a row that many
    commits change at once, and that no other change of a commit depends on. Where commits wait for each other's rows,
    such statements come last and in the order of the names, so that rows are held for a short while and no two commits
    wait for each other.
    """

    sql: str
    params: dict[str, Any] = {}
    counted: bool = True
    table: str = ""
    wanted: str | None = None


def in_order(statements: Sequence[Statement]) -> list[int]:
    """The indexes of the statements in the order to run them: see ``Statement.wanted``."""
    return sorted(range(len(statements)), key=lambda index: statements[index].wanted or "")


class Writer:
    """Makes the statement of a change, with values as ``codec`` carries them."""

    def __init__(self, codec: Codec) -> None:
        self._codecs: dict[type, RowCodec[Any]] = {kind: RowCodec(table, codec) for kind, table in TABLES.items()}

    def statements(self, changes: Sequence[Change]) -> list[Statement]:
        """Those of all changes in their order, with what moves several counters of an owner as one."""
        return [
            self.statement(first) if not others else _of_usage((first, *others))
            for first, *others in _counted_together(changes)
        ]

    def statement(self, change: Change) -> Statement:
        match change:
            case Add(row):
                return self._of_row(_insert, row)
            case Swap(before, after):
                return self._swap(before, after)
            case Drop(row):
                table = table_of(row)
                return Statement(_delete(table), self._guards(table, row), table=table.name)
            case Count():
                return _of_usage((change,))
            case Use(link=link, at=at, times=times):
                moment = self._codecs[Link].cell("last_used_at", at)
                return Statement(_USE, {"link": link, "at": moment, "times": times}, table="links")
            case Keep(row):
                return self._of_row(_upsert, row)
            case Forget() | Clear() | Discard():
                return _removal(change)
            case Hold() | Spend() | Lapse():
                return _of_terms(change)

    def _swap(self, before: Row, after: Row) -> Statement:
        table, codec = table_of(before), self._codecs[type(before)]
        changed = tuple(name for name in table.fields if getattr(before, name) != getattr(after, name))
        params = self._guards(table, before)
        for name in changed:
            params["old_" + name] = codec.cell(name, getattr(before, name))
            params["new_" + name] = codec.cell(name, getattr(after, name))
        for name, source, make in table.derived:
            if source in changed:
                params["new_" + name] = make(getattr(after, source))
        return Statement(_update(table, changed), params, table=table.name)

    def _of_row(self, text: Callable[[Table[Any]], str], row: Row) -> Statement:
        table = table_of(row)
        return Statement(text(table), self._codecs[type(row)].encode(row), table=table.name)

    def _guards(self, table: Table[Any], row: Row) -> dict[str, Any]:
        codec = self._codecs[type(row)]
        return {"old_" + name: codec.cell(name, getattr(row, name)) for name in table.guards}


def _removal(change: Forget | Clear | Discard) -> Statement:
    """What removes rows whether or not there are any."""
    match change:
        case Forget(dest, key):
            return Statement(_FORGET, {"dest": dest, "key": key}, counted=False, table="entries")
        case Clear(job):
            return Statement(_CLEAR, {"job": job, "done": StepState.DONE.value}, counted=False, table="steps")
        case Discard(job):
            return Statement(_DISCARD, {"job": job}, counted=False, table="sealed_keys")


def _counted_together(changes: Sequence[Change]) -> Iterable[list[Any]]:
    """Each change by itself, but for counts of one owner: those of different counters can be made at once."""
    groups: dict[Hashable, list[Change]] = {}
    times: dict[Hashable, int] = {}
    for index, change in enumerate(changes):
        group: Hashable = index
        if isinstance(change, Count):
            counter = (change.owner, change.counter)
            times[counter] = times.get(counter, 0) + 1
            group = (change.owner, times[counter])
        groups.setdefault(group, []).append(change)
    return groups.values()


def _of_usage(counts: Sequence[Count]) -> Statement:
    """What moves different counters of one owner."""
    owner = counts[0].owner
    params: dict[str, Any] = {"owner": owner}
    for count in counts:
        params[count.counter.value] = count.by
        if count.at_most is not None:
            params["most_" + count.counter.value] = count.at_most
    text = _moving(tuple((count.counter.value, count.at_most is not None) for count in counts))
    return Statement(text, params, table="usage", wanted=owner)


@cache
def _moving(counters: tuple[tuple[str, bool], ...]) -> str:
    """Moves these counters, each with whether it has a limit."""
    sums = {name: f"usage.{name} + excluded.{name}" for name, _ in counters}
    limited = [name for name, limits in counters if limits]
    return (_MOVE_WITHIN if limited else _MOVE).substitute(
        counters=", ".join(sums),
        values=", ".join(f"CAST(:{name} AS bigint)" for name in sums),
        sums=", ".join(f"{name} = {moved}" for name, moved in sums.items()),
        first=" AND ".join(f":{name} <= :most_{name}" for name in limited),
        later=" AND ".join(f"{sums[name]} <= :most_{name}" for name in limited),
    )


def _of_terms(change: Hold | Spend | Lapse) -> Statement:
    match change:
        case Hold(until=until):
            return Statement(_HOLD, msgspec.structs.asdict(change) | {"beyond": until + CLOCK_SLACK}, table="terms")
        case Spend(at_most=at_most):
            return Statement(_SPEND, msgspec.structs.asdict(change) | {"beyond": at_most + CLOCK_SLACK}, table="terms")
        case Lapse(at):
            return Statement(_LAPSE, {"at": at}, counted=False, table="terms")


@cache
def _insert(table: Table[Any]) -> str:
    columns = ", ".join(table.columns)
    values = ", ".join(f":{name}" for name in table.columns)
    return " ".join(("INSERT INTO", table.name, "(", columns, ") VALUES (", values, ") ON CONFLICT DO NOTHING"))


@cache
def _upsert(table: Table[Any]) -> str:
    columns = ", ".join(table.columns)
    values = ", ".join(f":{name}" for name in table.columns)
    anew = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name not in table.identity)
    taken = ", ".join(table.identity)
    return " ".join(
        (
            "INSERT INTO",
            table.name,
            "(",
            columns,
            ") VALUES (",
            values,
            ") ON CONFLICT (",
            taken,
            ") DO UPDATE SET",
            anew,
        )
    )


@lru_cache(maxsize=1024)
def _update(table: Table[Any], changed: tuple[str, ...]) -> str:
    derived = tuple(column.name for column in table.derived if column.source in changed)
    # A swap that changes nothing still has to find its row.
    settings = [f"{name} = :new_{name}" for name in changed + derived] or [
        f"{table.identity[0]} = :old_{table.identity[0]}"
    ]
    return " ".join(("UPDATE", table.name, "SET", ", ".join(settings), "WHERE", _unchanged(table, changed)))


@cache
def _delete(table: Table[Any]) -> str:
    return " ".join(("DELETE FROM", table.name, "WHERE", _unchanged(table, ())))


def _unchanged(table: Table[Any], changed: tuple[str, ...]) -> str:
    """The condition that the row is there with its old guards and the old values of the ``changed`` columns."""
    guards = [f"{name} = :old_{name}" for name in table.guards]
    others = [f"{name} IS NOT DISTINCT FROM :old_{name}" for name in changed if name not in table.guards]
    return " AND ".join(guards + others)
