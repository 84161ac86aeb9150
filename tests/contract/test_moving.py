"""Rows that move from one kind of database to the other are the same there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.servers.databases import opened

from kist.app import take_over_rows
from kist.catalogues.sqlite import open_catalogue
from kist.errors import Misconfigured
from kist.model.changes import Add, Count, Counter
from kist.model.query import FileQuery
from kist.settings import read_settings
from kist.testing.catalogue_samples import NAMES, TIMES, a_file, a_full_file, an_entry_of, one_of_each
from kist.testing.catalogues import find
from kist.testing.clock import FakeClock

SECRET = "b7e1f0c4d2a893567e1f0c4d2a893567"
EVERYTHING = FileQuery(visible_to=None, limit=1000)


async def test_there_and_back(tmp_path: Path, database: str) -> None:
    rows = [*one_of_each(), a_full_file(), *(a_file(name=name) for name in NAMES)]
    rows += [a_file(created_at=time, metadata={"\0": "\0"}) for time in TIMES]
    rows += [an_entry_of("many", f"{number:04}") for number in range(1100)]
    first, last = tmp_path / "first.db", tmp_path / "last.db"
    old = await open_catalogue(first, FakeClock())
    await old.commit(*map(Add, rows), Count(owner="ann", counter=Counter.BYTES, by=7))
    listed = await old.files(EVERYTHING)
    await old.close()
    there = read_settings({"KIST_HOME": str(tmp_path), "KIST_DATABASE": database, "KIST_SECRET": SECRET}, tmp_path)
    back = read_settings({"KIST_HOME": str(tmp_path), "KIST_DATABASE": f"sqlite:///{last}"}, tmp_path)
    assert await take_over_rows(there, f"sqlite:///{first}") == len(rows) + 1
    async with opened(database) as new:
        for row in [row for row in rows if not row_is_an_entry(row)]:
            assert await find(new, row) == row
        assert await new.files(EVERYTHING) == listed
    assert await take_over_rows(back, database) == len(rows) + 1
    again = await open_catalogue(last, FakeClock())
    assert await again.files(EVERYTHING) == listed
    assert (await again.usage("ann")).bytes == 7
    assert [entry.key for entry in await again.entries("many", 2000)] == [f"{number:04}" for number in range(1100)]
    await again.close()


def row_is_an_entry(row: object) -> bool:
    """Of these there are more than the suite looks through."""
    return type(row).__name__ == "Entry"


async def test_only_into_an_empty_database_and_only_from_one_that_is_there(tmp_path: Path, database: str) -> None:
    there = read_settings({"KIST_HOME": str(tmp_path), "KIST_DATABASE": database, "KIST_SECRET": SECRET}, tmp_path)
    with pytest.raises(Misconfigured, match="no database to copy from"):
        await take_over_rows(there, f"sqlite:///{tmp_path / 'absent.db'}")
    assert not (tmp_path / "absent.db").exists()
    with pytest.raises(Misconfigured, match="no database to copy from"):
        await take_over_rows(there, "memory:")
    old = await open_catalogue(tmp_path / "old.db", FakeClock())
    await old.close()
    async with opened(database) as new:
        await new.commit(Add(a_file()))
    with pytest.raises(Misconfigured, match="must be empty"):
        await take_over_rows(there, f"sqlite:///{tmp_path / 'old.db'}")
