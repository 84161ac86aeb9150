"""One page of 100 files, by each sort order, first pages and deep ones, at the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Finding, Goal, Plan, Spread
from bench.listing import BUSY_OWNER, cursors, fill, made_up_files, timed

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sqlite import open_catalogue
from kist.model.query import Cursor, FileQuery, Sort
from kist.system import SystemClock

GOAL = Goal(10, "ms", at_least=False)
SCOPES = (None, BUSY_OWNER)
"""Everybody's files, and those of one owner."""


def measure(plan: Plan) -> Iterator[Finding]:
    count = 100_000 if plan.short else 1_000_000
    path = plan.folder / "pages.sqlite"
    fill(path, made_up_files(count))
    yield from asyncio.run(_measure(path, count, plan))


async def _measure(path: Path, count: int, plan: Plan) -> list[Finding]:
    catalogue = await open_catalogue(path, SystemClock())
    found = []
    for sort in Sort:
        for descending in (False, True):
            order = f"{sort.value}{' descending' if descending else ''}"
            rounds = [await _round(catalogue, path, sort, descending) for _ in range(plan.rounds)]
            tails = Spread.of([_at(times, 0.99) for times in rounds])
            middle = Spread.of([_at(times, 0.5) for times in rounds]).median
            what = f"p99 of a page of 100 out of {count:,} files by {order}"
            found.append(Finding(what, tails, f"median {middle:.2f} ms", goal=GOAL, unit="ms"))
    await catalogue.close()
    return found


async def _round(catalogue: SqlCatalogue, path: Path, sort: Sort, descending: bool) -> list[float]:
    """Milliseconds of each page: as many first pages as deep ones, of everybody's files and of one owner's."""
    times = []
    for owner in SCOPES:
        ends: list[Cursor | None] = [*cursors(path, sort, {"owner": owner} if owner else {}, 100)]
        for end in [*ends, *([None] * len(ends))]:
            query = FileQuery(sort=sort, descending=descending, visible_to=owner, after=end)
            times.append(await timed(lambda: catalogue.files(query)))  # noqa: B023 - awaited at once
    return times


def _at(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]
