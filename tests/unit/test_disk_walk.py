"""Listings of the disk store against a sorted list, on generated trees and in steps of every size."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kist.drive import drive_each, right_here
from kist.errors import BadName, BucketMissing
from kist.model.place import Place
from kist.stores.disk import DiskStore, walk
from kist.system import SystemClock, SystemIds

BUCKET = "some-bucket"
PARTS = st.text(alphabet="ab-.0/é\U0001f600\udc80", min_size=1, max_size=6)


def store_at(root: Path) -> DiskStore:
    return DiskStore(root, right_here, SystemClock(), SystemIds())


def listed(store: DiskStore, prefix: str = "", after: str = "") -> list[str]:
    return [entry.key for entry in drive_each(store.list(BUCKET, prefix, after))]


def order(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def plant(bucket: Path, keys: set[str]) -> list[str]:
    """Make files for those keys that a disk can hold together, and return these in the order of a listing."""
    kept = []
    for key in keys:
        path = os.path.join(os.fsencode(bucket), order(key))
        if any(part in ("", ".", "..") for part in key.split("/")):
            continue
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb"):
                kept.append(key)
        except OSError:
            continue  # a folder has this name, or a file the name of a folder
    return sorted(kept, key=order)


@settings(max_examples=150, deadline=None)
@given(
    keys=st.sets(PARTS, max_size=14), prefix=st.one_of(st.just(""), PARTS), after=st.one_of(st.just(""), PARTS),
    page=st.integers(1, 4), held=st.integers(1, 4),
)  # fmt: skip
def test_as_a_sorted_list(keys: set[str], prefix: str, after: str, page: int, held: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "PAGE", page)
        patch.setattr(walk, "HELD", held)
        bucket = Path(folder, BUCKET)
        bucket.mkdir()
        kept = plant(bucket, keys)
        expected = [key for key in kept if key.startswith(prefix) and order(key) > order(after)]
        assert listed(store_at(Path(folder)), prefix, after) == expected


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    path = tmp_path / BUCKET
    path.mkdir()
    return path


def test_names_that_are_no_text_are_shown(tmp_path: Path, bucket: Path) -> None:
    (bucket / os.fsdecode(b"bad\xff")).write_bytes(b"x")
    (found,) = listed(store_at(tmp_path))
    assert found == "bad\udcff"
    with pytest.raises(BadName):
        Place(BUCKET, found)


def test_names_of_other_systems_are_shown(tmp_path: Path, bucket: Path) -> None:
    for name in ("back\\slash", "new\nline", ".hidden"):
        (bucket / name).write_bytes(b"x")
    assert listed(store_at(tmp_path)) == [".hidden", "back\\slash", "new\nline"]


def test_what_is_put_away_during_a_listing(tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 1)
    plant(bucket, {"a", "b/c", "b/d", "e", "f"})

    found = drive_each(store_at(tmp_path).list(BUCKET))
    assert [next(found).key, next(found).key] == ["a", "b/c"]
    (bucket / "b/d").unlink()
    (bucket / "b/c").unlink()
    (bucket / "b").rmdir()
    (bucket / "e").unlink()
    assert [entry.key for entry in found] == ["f"]


def test_a_bucket_that_goes_away_during_a_listing(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE", 1)
    plant(bucket, {"a", "b"})

    found = drive_each(store_at(tmp_path).list(BUCKET))
    assert next(found).key == "a"
    bucket.rename(tmp_path / "elsewhere")
    with pytest.raises(BucketMissing):
        next(found)


def test_a_deep_tree(tmp_path: Path, bucket: Path) -> None:
    key = "/".join(["d"] * 500)
    (bucket / key).parent.mkdir(parents=True)
    (bucket / key).write_bytes(b"x")
    assert listed(store_at(tmp_path)) == listed(store_at(tmp_path), prefix="d/d/d") == [key]


def test_a_prefix_that_is_no_text(tmp_path: Path, bucket: Path) -> None:
    for prefix, after in (("\ud800", ""), ("", "\ud800")):
        with pytest.raises(BadName):
            listed(store_at(tmp_path), prefix, after)
