"""Random commits and questions: the SQLite catalogue answers as the memory one does."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kist.catalogues.memory import MemoryCatalogue
from kist.catalogues.sqlite import open_catalogue
from kist.errors import KistError, WrongState
from kist.model.changes import Add, Change, Count, Counter, Drop, Swap
from kist.model.file import File, FileState
from kist.model.query import FileQuery, Sort
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_file, at
from kist.testing.clock import FakeClock

IDS = [f"id-{number}" for number in range(4)]
OWNERS = ["ann", "bob", "Ann", "%"]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
NAMES = TEXT | st.sampled_from(["a%b", "A_B", "STRASSE", "straße", "x", "X", "\\", "é", "e\u0301"])

files = st.builds(
    a_file,
    id=st.sampled_from(IDS),
    name=NAMES,
    owner=st.sampled_from(OWNERS),
    bucket=st.sampled_from(["one", "two"]),
    type=st.sampled_from(["a/b", "c/d"]),
    state=st.sampled_from(list(FileState)),
    size=st.integers(0, 2),
    created_at=st.integers(0, 2).map(at),
    metadata=st.dictionaries(TEXT, TEXT, max_size=2),
    sha256=st.none() | st.just("ab"),
    address=st.none() | st.sampled_from(["x", "y"]),
)
counts = st.builds(
    Count,
    owner=st.sampled_from(OWNERS),
    counter=st.sampled_from(list(Counter)),
    by=st.integers(-3, 5),
    at_most=st.none() | st.integers(-2, 8),
)


@st.composite
def swaps(draw: st.DrawFn) -> Change:
    before = draw(files)
    after = draw(files.map(lambda file: _renumbered(file, before.id)))
    try:
        return Swap(before, draw(st.sampled_from([before, after])))
    except WrongState:
        return Drop(before)


def _renumbered(file: File, id: str) -> File:
    return a_file(**{name: getattr(file, name) for name in file.__struct_fields__} | {"id": id})


class Rename:
    """A swap of whatever the row is at that time: drawn blindly, swaps would nearly always clash."""

    def __init__(self, id: str, name: str, state: FileState) -> None:
        self.id, self.name, self.state = id, name, state

    def __repr__(self) -> str:
        return f"Rename({self.id!r}, {self.name!r}, {self.state})"


renames = st.builds(Rename, st.sampled_from(IDS), NAMES, st.sampled_from(list(FileState)))
commits = st.lists(files.map(Add) | files.map(Drop) | swaps() | counts, min_size=1, max_size=4)
queries = st.builds(
    FileQuery,
    visible_to=st.none() | st.sampled_from(OWNERS),
    owner=st.none() | st.sampled_from(OWNERS),
    bucket=st.none() | st.sampled_from(["one", "two"]),
    type=st.none() | st.sampled_from(["a/b", "c/d"]),
    text=st.none() | NAMES,
    sort=st.sampled_from(list(Sort)),
    descending=st.booleans(),
    limit=st.integers(1, 3),
)


async def answer(question: Any) -> Any:
    """What comes back, or which refusal."""
    try:
        return await question
    except KistError as error:
        return type(error), error.about


async def swap_now(catalogue: Catalogue, rename: Rename) -> Any:
    found = await answer(catalogue.file(rename.id))
    if not isinstance(found, File):
        return found
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    try:
        swap = Swap(found, a_file(**fields | {"name": rename.name, "state": rename.state}))
    except WrongState:
        return None
    return await answer(catalogue.commit(swap))


async def pages(catalogue: Catalogue, query: FileQuery) -> list[Any]:
    found = []
    for _ in range(10):
        page = await catalogue.files(query)
        found.append(page)
        if page.next is None:
            break
        fields = {name: getattr(query, name) for name in query.__struct_fields__}
        query = FileQuery(**fields | {"after": page.next})
    return found


async def compare(steps: list[Any], questions: list[FileQuery]) -> None:
    memory = MemoryCatalogue(FakeClock())
    with tempfile.TemporaryDirectory() as folder:
        sqlite = await open_catalogue(Path(folder) / "kist.db", FakeClock())
        try:
            for step in steps:
                if isinstance(step, Rename):
                    assert await swap_now(sqlite, step) == await swap_now(memory, step)
                else:
                    assert await answer(sqlite.commit(*step)) == await answer(memory.commit(*step))
            for id in IDS:
                assert await answer(sqlite.file(id)) == await answer(memory.file(id))
            for owner in OWNERS:
                assert await sqlite.usage(owner) == await memory.usage(owner)
            for query in questions:
                assert await pages(sqlite, query) == await pages(memory, query)
        finally:
            await sqlite.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(commits | renames, min_size=3, max_size=12), st.lists(queries, min_size=1, max_size=4))
def test_sqlite_agrees_with_memory(steps: list[Any], questions: list[FileQuery]) -> None:
    asyncio.run(compare(steps, questions))
