"""No link that somebody plants in the store leads out of it, and odd files are no objects."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kist.drive import drive, right_here
from kist.errors import (
    AlreadyThere,
    BadName,
    BucketMissing,
    BucketNotEmpty,
    KistError,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
)
from kist.model.content import PutRules
from kist.model.place import Place
from kist.stores.disk import DiskStore
from kist.system import SystemClock, SystemIds
from kist.testing.ground import in_blocks, read

BUCKET = "some-bucket"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> DiskStore:
    store = DiskStore(root, right_here, SystemClock(), SystemIds())
    drive(store.make_bucket(BUCKET))
    return store


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the root that nothing may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder


def untouched(outside: Path) -> bool:
    return {path.name: path.read_bytes() for path in outside.iterdir()} == {"secret": b"secret"}


def put(store: DiskStore, key: str, data: bytes = b"x") -> None:
    drive(store.put(Place(BUCKET, key), in_blocks(data), PutRules()))


def get(store: DiskStore, key: str) -> bytes:
    async def whole() -> bytes:
        return await read(await store.open(Place(BUCKET, key)))

    return drive(whole())


def keys(store: DiskStore, bucket: str = BUCKET, prefix: str = "") -> list[str]:
    async def listed() -> list[str]:
        return [entry.key async for entry in store.list(bucket, prefix)]

    return drive(listed())


def test_everything_is_for_this_user_alone(store: DiskStore, root: Path) -> None:
    put(store, "a/b/c")
    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("target", ["/etc/passwd", "secret", "none"], ids=["passwd", "file", "dangling"])
@pytest.mark.parametrize("key", ["link", "folder/link"])
def test_link_in_place_of_an_object(store: DiskStore, root: Path, outside: Path, target: str, key: str) -> None:
    put(store, "folder/other")
    link = root / BUCKET / key
    link.symlink_to(outside / target)
    place = Place(BUCKET, key)
    with pytest.raises(ObjectMissing):
        get(store, key)
    with pytest.raises(ObjectMissing):
        drive(store.head(place))
    with pytest.raises(ObjectMissing):
        drive(store.copy(place, Place(BUCKET, "copy"), PutRules()))
    for attempt in (
        store.put(place, in_blocks(b"new"), PutRules()),
        store.copy(Place(BUCKET, "folder/other"), place, PutRules()),
    ):
        with pytest.raises(StoreRefused):
            drive(attempt)
    drive(store.erase(place))
    drive(store.clear(place))
    assert link.is_symlink()
    assert keys(store) == ["folder/other"]
    assert untouched(outside)


def test_link_in_place_of_a_folder(store: DiskStore, root: Path, outside: Path) -> None:
    (root / BUCKET / "link").symlink_to(outside)
    place = Place(BUCKET, "link/secret")
    with pytest.raises(ObjectMissing):
        get(store, "link/secret")
    with pytest.raises(ObjectMissing):
        drive(store.head(place))
    with pytest.raises(StoreRefused):
        put(store, "link/secret")
    with pytest.raises(StoreRefused):
        put(store, "link/new/deep")
    drive(store.erase(place))
    assert keys(store) == keys(store, prefix="link/") == []
    assert untouched(outside)


def test_link_in_place_of_a_bucket(store: DiskStore, root: Path, outside: Path) -> None:
    (root / "other-bucket").symlink_to(outside)
    place = Place("other-bucket", "secret")
    with pytest.raises(ObjectMissing):
        drive(store.head(place))
    for attempt in (store.put(place, in_blocks(b"x"), PutRules()), store.drop_bucket("other-bucket")):
        with pytest.raises(BucketMissing):
            drive(attempt)
    with pytest.raises(BucketMissing):
        keys(store, "other-bucket")
    with pytest.raises(AlreadyThere):
        drive(store.make_bucket("other-bucket"))
    drive(store.erase(place))
    assert [bucket.name for bucket in drive(store.buckets())] == [BUCKET]
    assert untouched(outside)


def test_link_in_place_of_the_temporary_folder(store: DiskStore, root: Path, outside: Path) -> None:
    (root / ".tmp").symlink_to(outside)
    with pytest.raises(KistError):
        put(store, "one")
    assert keys(store) == []
    assert untouched(outside)


@pytest.mark.parametrize("prefix", ["../", "../../", "a/../../", "./", "a//", "/", "\0/", "../outside/"])
def test_a_prefix_cannot_escape(store: DiskStore, outside: Path, prefix: str) -> None:
    put(store, "a/b")
    assert keys(store, prefix=prefix) == []


def test_pipes_sockets_and_folders_are_no_objects(store: DiskStore, root: Path) -> None:
    put(store, "folder/one")
    os.mkfifo(root / BUCKET / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(root / BUCKET, os.O_RDONLY)
    listening.bind(f"/proc/self/fd/{here}/socket")  # a socket's path must be short
    os.close(here)
    listening.close()
    for key in ("pipe", "socket", "folder", "pipe/x", "folder/one/x"):
        with pytest.raises(ObjectMissing):
            get(store, key)
        with pytest.raises(ObjectMissing):
            drive(store.head(Place(BUCKET, key)))
        drive(store.erase(Place(BUCKET, key)))
    assert keys(store) == ["folder/one"]
    with pytest.raises(StoreRefused):
        put(store, "pipe")
    with pytest.raises(BucketNotEmpty):
        drive(store.drop_bucket(BUCKET))


def test_a_key_cannot_be_object_and_folder(store: DiskStore) -> None:
    put(store, "a/b", b"kept")
    with pytest.raises(AlreadyThere, match="beneath"):
        put(store, "a")
    with pytest.raises(AlreadyThere, match="folder"):
        put(store, "a/b/c")
    assert get(store, "a/b") == b"kept"
    drive(store.erase(Place(BUCKET, "a/b")))
    put(store, "a", b"now free")
    assert keys(store) == ["a"]


def test_a_part_that_is_too_long_for_the_disk(store: DiskStore) -> None:
    for key in ("x" * 256, "x" * 256 + "/y", "a/" + "é" * 128):
        with pytest.raises(BadName):
            put(store, key)
        with pytest.raises(ObjectMissing):
            drive(store.head(Place(BUCKET, key)))
        drive(store.erase(Place(BUCKET, key)))
    put(store, "x" * 255)


def test_empty_folders_go_with_their_last_object(store: DiskStore, root: Path) -> None:
    for key in ("a/b/c/d", "a/e", ".kist/objects/x"):
        put(store, key)
    drive(store.erase(Place(BUCKET, "a/b/c/d")))
    assert sorted(path.name for path in (root / BUCKET / "a").iterdir()) == ["e"]
    drive(store.erase(Place(BUCKET, "a/e"), Place(BUCKET, ".kist/objects/x")))
    assert [path.name for path in (root / BUCKET).iterdir()] == [".kist"]
    assert (root / BUCKET / ".kist/objects").is_dir()
    drive(store.drop_bucket(BUCKET))
    assert not (root / BUCKET).exists()


def test_a_bucket_goes_though_others_empty_it_meanwhile(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a/b/c", "d/e/f"):
        put(store, key)
        (root / BUCKET / key).unlink()
    remove = os.rmdir

    def overtaken(name: str, *, dir_fd: int) -> None:
        if name != BUCKET:
            remove(name, dir_fd=dir_fd)  # as an erasing of its last object does
        remove(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", overtaken)
    drive(store.drop_bucket(BUCKET))
    assert not (root / BUCKET).exists()
    with pytest.raises(BucketMissing):
        drive(store.drop_bucket(BUCKET))


def test_a_root_that_is_gone_is_no_empty_store(store: DiskStore, root: Path) -> None:
    root.rename(root.parent / "elsewhere")
    place = Place(BUCKET, "one")
    attempts: tuple[Coroutine[Any, Any, Any], ...] = (
        store.put(place, in_blocks(b"x"), PutRules()),
        store.open(place),
        store.head(place),
        store.erase(place),
        store.clear(place),
        store.drop_bucket(BUCKET),
    )
    for attempt in attempts:
        with pytest.raises(StoreUnavailable):
            drive(attempt)
    with pytest.raises(StoreUnavailable):
        keys(store)


def test_links_swapped_in_by_a_racing_thread(
    store: DiskStore, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder becomes a link to the outside and back, while everything is tried on it."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # more tries in less time
    stop = threading.Event()
    folder, link = root / BUCKET / "folder", root / BUCKET / "link"

    def swap() -> None:
        aside = root / BUCKET / "aside"
        while not stop.is_set():
            if folder.is_dir() and not folder.is_symlink():
                folder.rename(aside)
                link.symlink_to(outside)
                link.rename(folder)
            if folder.is_symlink():
                folder.unlink()
            if aside.exists() and not folder.exists():
                aside.rename(folder)

    place, inner = Place(BUCKET, "folder/secret"), Place(BUCKET, "folder/new/deep")
    put(store, "folder/keep")
    put(store, "source")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: put(store, "folder/secret", b"ours"),
        lambda: put(store, "folder/new/deep", b"ours"),
        lambda: drive(store.copy(Place(BUCKET, "source"), place, PutRules())),
        lambda: drive(store.erase(place, inner)),
        lambda: get(store, "folder/secret"),
        lambda: keys(store),
    )
    swapper = threading.Thread(target=_until_stopped(swap, stop))
    swapper.start()
    refused = 0
    try:
        for number in range(10_000):
            try:
                answer = attempts[number % len(attempts)]()
            except KistError:
                refused += 1
            else:
                assert answer != b"secret"
    finally:
        stop.set()
        swapper.join()
    assert refused, "the race was never lost: it was no race"
    assert untouched(outside)


def _until_stopped(swap: Callable[[], None], stop: threading.Event) -> Callable[[], None]:
    """The store makes and removes the same folders: a swap that finds things changed begins again."""

    def run() -> None:
        while not stop.is_set():
            try:
                swap()
            except OSError:
                continue

    return run
