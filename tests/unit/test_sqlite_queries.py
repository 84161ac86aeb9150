"""Every list of files is read from an index in order: never a table scan, never a sort."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kist.catalogues.sql import queries
from kist.catalogues.sql.codecs import SQLITE, text_time, time_text
from kist.catalogues.sql.schema import FILES, RowCodec
from kist.catalogues.sqlite import migrate_database
from kist.model.query import Cursor, FileQuery, Sort
from kist.testing.catalogue_samples import TIMES
from kist.testing.clock import START, FakeClock

VALUES: dict[Sort, Any] = {Sort.NAME: "n", Sort.SIZE: 1, Sort.CREATED: START}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    await migrate_database(tmp_path / "kist.db", FakeClock())
    connection = sqlite3.connect(tmp_path / "kist.db")
    yield connection
    connection.close()


def plan(database: sqlite3.Connection, sql: str, params: dict[str, Any]) -> str:
    return "; ".join(step[3] for step in database.execute("EXPLAIN QUERY PLAN " + sql, params))


def shapes() -> list[FileQuery]:
    narrowings: list[dict[str, str]] = [
        {name: "x" for name in names}
        for many in range(4)
        for names in itertools.combinations(("owner", "bucket", "type"), many)
    ]
    return [
        FileQuery(visible_to=seer, sort=sort, descending=descending, after=after, text=text, **narrow)  # type: ignore[arg-type]
        for sort in Sort
        for descending in (False, True)
        for after in (None, Cursor(VALUES[sort], "id"))
        for text in (None, "t")
        for seer in (None, "x")
        for narrow in narrowings
    ]


async def test_every_list_follows_the_index_of_its_order(database: sqlite3.Connection) -> None:
    cell = RowCodec(FILES, SQLITE).cell
    for query in shapes():
        found = plan(database, *queries.page(query, cell))
        scope = "by"
        if query.visible_to or query.owner:
            scope = "of_owner_by"
        elif query.type:
            scope = "of_type_by"
        elif query.bucket:
            scope = "in_bucket_by"
        assert f"USING INDEX files_{scope}_{query.sort.value}" in found, (query, found)
        assert "TEMP B-TREE" not in found


async def test_sweeps_follow_an_index(database: sqlite3.Connection) -> None:
    params = {"now": "", "before": "", "limit": 1}
    for sql in (queries.OVERDUE, queries.DUE, queries.OLD_IDEMPOTENCY, queries.LIVE_KEYS, queries.NEWEST_AUDIT):
        found = plan(database, sql, params)
        assert "USING INDEX" in found
        assert "TEMP B-TREE" not in found


async def test_single_rows_are_found_by_their_key(database: sqlite3.Connection) -> None:
    params = {"id": "", "owner": "", "actor": "", "key": ""}
    for sql in (queries.FILE, queries.UPLOAD, queries.KEY, queries.USAGE_OF, queries.IDEMPOTENCY_OF):
        assert "USING INDEX sqlite_autoindex" in plan(database, sql, params)
    assert "uploads_by_key" in plan(database, queries.AWAITED, {"bucket": "kist", "key": ".kist/in/1"})


@pytest.mark.parametrize("many", [1, 1000])
async def test_addresses_are_looked_up_in_their_index(database: sqlite3.Connection, many: int) -> None:
    asked = ["ann/a"] * many
    assert "files_address (bucket=? AND address=?)" in plan(database, *queries.addressed("kept", asked))
    assert "uploads_by_address (bucket=? AND address=?)" in plan(database, *queries.arriving("kept", asked))


def test_the_order_of_time_texts_is_the_order_of_times() -> None:
    assert sorted(TIMES) == [text_time(text) for text in sorted(map(time_text, TIMES))]
    assert time_text(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02 00:00:00.000000"
