"""Random trees against models that are too simple to be wrong: the walk, the march, and whole syncs."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.acceptance.served import memory_settings
from tests.sync.place import Scene, scene

from kist.errors import BadName, Broken
from kist.model.job import Act, Compare, Entry, JobState
from kist.model.place import Place, check_key
from kist.ports.tree import Item, Trouble
from kist.sync import walk
from kist.sync.compare import decide, decide_extra
from kist.sync.folder import FolderTree
from kist.sync.march import Met, march
from kist.sync.walk import walked
from kist.system import SystemIds

T = TypeVar("T")

# Characters on both sides of the slash, of ASCII, and of the surrogates, where orders differ most easily.
NAMES = st.text(st.sampled_from("ab!-./0~\u00e9\u0301\ud7ff\ue000\uffee\U0001f600"), min_size=1, max_size=4)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def legal(key: str) -> bool:
    try:
        check_key(key)
    except BadName:
        return False
    return not key.startswith(".kist")


def without_files_as_folders(keys: set[str]) -> set[str]:
    return {key for key in keys if not any(other.startswith(f"{key}/") for other in keys)}


TREES = st.sets(KEYS.filter(legal), max_size=20).map(without_files_as_folders)


async def batches(found: list[T], size: int) -> AsyncIterator[list[T]]:
    for at in range(0, len(found), size):
        yield found[at : at + size]
        yield []


async def plainly(work: object, *args: object) -> object:
    return work(*args)  # type: ignore[operator]


@given(TREES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_walk_is_in_the_order_of_sorted_keys(keys: set[str]) -> None:
    with tempfile.TemporaryDirectory() as home:
        for key in keys:
            path = Path(home) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        tree = FolderTree(Path(home), plainly, SystemIds())  # type: ignore[arg-type]

        async def items() -> list[Item | Trouble]:
            return [item async for batch in tree.items() for item in batch]

        found = asyncio.run(items())
    assert [item.key for item in found] == sorted(keys, key=str.encode)
    assert all(isinstance(item, Item) for item in found)


ODD = st.text(st.sampled_from("ab-. \n\\\x7f\u00e9"), min_size=1, max_size=4).filter(
    lambda name: name not in (".", "..")
)
ODD_TREES = st.sets(st.lists(ODD, min_size=1, max_size=3).map("/".join), max_size=12).map(without_files_as_folders)


@given(ODD_TREES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_walk_shows_just_the_names_that_make_keys(keys: set[str]) -> None:
    """Many are looked at together; it must come to the same as to look at each."""
    with tempfile.TemporaryDirectory() as home:
        for key in keys:
            path = Path(home) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        root = os.open(home, os.O_RDONLY)
        found = [each for batch in walked(root, []) for each in batch]
    assert [each.key for each in found] == sorted(keys)
    assert {each.key for each in found if isinstance(each, Item)} == set(filter(legal, keys))


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_the_walk_comes_to_its_end_however_large_its_batches_are(
    tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "BATCH", batch)
    keys = ["a/b/c", "a/b/d", "a/e", "f", "g/h"]
    for key in keys:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    (tmp_path / "empty/deep").mkdir(parents=True)
    before = set(os.listdir("/proc/self/fd"))
    batches = list(walked(os.open(tmp_path, os.O_RDONLY), []))
    assert [each.key for some in batches for each in some] == keys
    assert all(0 < len(some) <= batch for some in batches)
    assert set(os.listdir("/proc/self/fd")) == before


def item(key: str, version: int) -> Item:
    return Item(key, version, version, f"etag {version}")


def entry(key: str, version: int) -> Entry:
    return Entry(dest="d", key=key, size=version, modified=version, etag=f"etag {version}", job="j")


VERSIONS = st.dictionaries(KEYS, st.integers(0, 3), max_size=12)


@given(VERSIONS, VERSIONS, VERSIONS, st.integers(1, 5))
def test_the_march_meets_every_key_once_with_all_that_is_there(
    source: dict[str, int], dest: dict[str, int], known: dict[str, int], size: int
) -> None:
    async def marched() -> list[Met]:
        here: list[Item | Trouble] = [item(key, source[key]) for key in sorted(source)]
        there: list[Item | Trouble] = [item(key, dest[key]) for key in sorted(dest)]
        manifest = [entry(key, known[key]) for key in sorted(known)]
        met = march(batches(here, size), batches(there, size + 1), batches(manifest, size + 2))
        return [each async for batch in met for each in batch]

    found = asyncio.run(marched())
    assert [met.key for met in found] == sorted({*source, *dest, *known}, key=str.encode)
    for met in found:
        assert met.source == (item(met.key, source[met.key]) if met.key in source else None)
        assert met.dest == (item(met.key, dest[met.key]) if met.key in dest else None)
        assert met.entry == (entry(met.key, known[met.key]) if met.key in known else None)


@given(st.lists(KEYS, min_size=2, max_size=12), st.integers(1, 5))
def test_a_stream_that_goes_back_is_refused(keys: list[str], size: int) -> None:
    assume(keys != sorted(set(keys)))

    async def marched() -> None:
        items: list[Item | Trouble] = [item(key, 1) for key in keys]
        async for _ in march(batches(items, size), batches([], 1), batches([], 1)):
            pass

    try:
        asyncio.run(marched())
    except Broken:
        return
    raise AssertionError("it was taken for sorted")


@given(st.integers(0, 3), st.none() | st.integers(0, 3), st.none() | st.integers(0, 3), st.sampled_from(Compare))
def test_decisions(source: int, dest: int | None, known: int | None, compare: Compare) -> None:
    there = None if dest is None else item("k", dest)
    manifest = None if known is None else entry("k", known)
    decision = decide(item("k", source), there, manifest, compare)
    if dest is None:
        assert decision.act is Act.CREATE
    elif source != dest:
        assert decision.act is Act.REPLACE, "another size is another file, whatever the hour"
    else:
        assert decision.act is not Act.CREATE
    if there is not None:
        extra = decide_extra(there, manifest)
        assert (extra.act is Act.DELETE) == (known == dest), "only what a sync put there, as it put it"


# What happens to a place between two syncs: (where, key, content); None removes.
Event = tuple[str, str, bytes | None]
CONTENT = st.none() | st.binary(min_size=1, max_size=3)
EVENTS = st.lists(st.tuples(st.sampled_from(("here", "there")), st.sampled_from("abc"), CONTENT), max_size=6)


class Model:
    """What a sync with deletions must come to, as dictionaries.

    An object is a sync's own while it has the bytes that a sync gave it: who removes it and puts the same ones there
    before the next sync looks cannot be told from nobody. What is absent when a sync looks is no longer its own.
    """

    def __init__(self) -> None:
        self.source: dict[str, bytes] = {}
        self.dest: dict[str, bytes] = {}
        self.ours: dict[str, bytes] = {}

    def sync(self) -> None:
        self.ours = {key: data for key, data in self.ours.items() if key in self.dest}
        for key, data in self.dest.copy().items():
            if key not in self.source and self.ours.get(key) == data:
                del self.dest[key], self.ours[key]
        for key, data in self.source.items():
            if self.dest.get(key) != data:
                self.dest[key] = self.ours[key] = data


async def apply(here: Scene, model: Model, events: list[Event], age: float) -> None:
    for where, key, data in events:
        side = model.source if where == "here" else model.dest
        if data is None:
            side.pop(key, None)
        else:
            side[key] = data
        if where == "here":
            here.write(key, data or b"", age=age)
            if data is None:
                (here.folder / key).unlink()
        elif data is None:
            await here.ports.store.erase(Place(here.bucket, f"copy/{key}"))
        else:
            await here.put(f"copy/{key}", data)


@given(st.lists(EVENTS, min_size=1, max_size=5))
@example([[("here", "a", b"0")], [("here", "a", None), ("there", "a", None), ("there", "a", b"0")]])
@example([[("here", "a", b"0")], [("here", "a", None), ("there", "a", None)], [("there", "a", b"0")]])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_syncs_come_to_what_the_model_says_and_can_be_taken_back(
    rounds: list[list[tuple[str, str, bytes | None]]],
) -> None:
    async def run(home: Path) -> None:
        (home / "folder").mkdir()
        here, model = await scene(memory_settings(home), home / "folder"), Model()
        here.write("always")
        model.source["always"] = b"data"
        for number, events in enumerate(rounds):
            await apply(here, model, events, age=1000.0 - number)
            before = await here.objects()
            job = await here.sync(delete=True, compare=Compare.CHECKSUM)
            assert job.state is JobState.SUCCEEDED, job.reason
            model.sync()
            after = await here.objects()
            assert after == model.dest
            assert (await here.undo(job)).state is JobState.SUCCEEDED
            assert await here.objects() == before
            again = await here.sync(delete=True, compare=Compare.CHECKSUM)
            assert again.state is JobState.SUCCEEDED
            model.ours = {key: data for key, data in model.ours.items() if key in model.dest}
            model.dest = await here.objects()
            assert {key: model.dest.get(key) for key in model.source} == model.source
        await here.kist.close()

    with tempfile.TemporaryDirectory() as home:
        asyncio.run(run(Path(home)))
