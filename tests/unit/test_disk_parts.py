"""Multipart uploads on disk: what crashes leave, who wins a race, and what lies in the way."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kist.drive import drive, right_here
from kist.errors import Incomplete, Invalid, KistError, ObjectMissing, StoreRefused, UploadMissing
from kist.model.content import OpenParts, PartRef, PutRules
from kist.model.place import Place
from kist.stores.disk import DiskStore
from kist.system import SystemClock, SystemIds
from kist.testing.ground import MIB, content, in_blocks, read

ONE = Place("some-bucket", ".kist/parts/one")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> DiskStore:
    store = DiskStore(root, right_here, SystemClock(), SystemIds())
    drive(store.make_bucket(ONE.bucket))
    return store


def begun(store: DiskStore, *bodies: bytes) -> tuple[str, list[PartRef]]:
    parts_id = drive(store.start_parts(ONE, PutRules()))
    return parts_id, [drive(store.put_part(ONE, parts_id, number, body)) for number, body in enumerate(bodies, 1)]


def bytes_of(store: DiskStore) -> bytes:
    async def whole() -> bytes:
        return await read(await store.open(ONE))

    return drive(whole())


def open_uploads(store: DiskStore) -> list[OpenParts]:
    async def listed() -> list[OpenParts]:
        return [each async for each in store.open_parts(ONE.bucket)]

    return drive(listed())


def left_over(root: Path) -> list[Path]:
    return [path for path in (root / ".tmp").rglob("*") if path.name != "parts"]


def folder_of(root: Path) -> Path:
    (folder,) = (root / ".tmp" / "parts").iterdir()
    return folder


def test_nothing_is_left_of_a_finished_upload(store: DiskStore, root: Path) -> None:
    parts_id, parts = begun(store, content(MIB), b"", b"end")
    stored = drive(store.finish_parts(ONE, parts_id, parts))
    assert (stored.size, bytes_of(store)) == (MIB + 3, content(MIB) + b"end")
    assert left_over(root) == []


def test_parts_are_joined_by_number(store: DiskStore) -> None:
    parts_id, parts = begun(store, b"a", b"b", b"c")
    drive(store.finish_parts(ONE, parts_id, parts[::-1]))
    assert bytes_of(store) == b"abc"


def test_nothing_cannot_be_joined(store: DiskStore) -> None:
    parts_id, _ = begun(store)
    with pytest.raises(Invalid):
        drive(store.finish_parts(ONE, parts_id, []))


def test_a_part_that_was_replaced_is_not_the_one_that_was_named(store: DiskStore) -> None:
    parts_id, parts = begun(store, b"first")
    drive(store.put_part(ONE, parts_id, 1, b"other"))
    with pytest.raises(Incomplete):
        drive(store.finish_parts(ONE, parts_id, parts))
    assert len(open_uploads(store)) == 1


def test_everything_is_for_this_user_alone(store: DiskStore, root: Path) -> None:
    begun(store, b"a")
    assert [path for path in (root / ".tmp").rglob("*") if path.stat().st_mode & 0o077] == []


def test_a_part_that_ends_after_its_upload_is_missing(store: DiskStore, root: Path) -> None:
    """The upload's end has begun, but its folder is still there."""
    parts_id, _ = begun(store)

    async def ending() -> AsyncIterator[bytes]:
        yield content(3 * MIB)
        (folder_of(root) / "place").unlink()
        yield b"end"

    with pytest.raises(UploadMissing):
        drive(store.receive_part(ONE, parts_id, 1, ending(), 3 * MIB + 3))
    assert list(folder_of(root).iterdir()) == []


def test_what_a_crash_left_half_begun(store: DiskStore, root: Path) -> None:
    for record in (None, b"", b'{"bucket": "some-buck', b'{"bucket": "../x", "key": "a"}'):
        parts_id, _ = begun(store)
        place = folder_of(root) / "place"
        place.unlink()
        if record is not None:
            place.write_bytes(record)
        assert open_uploads(store) == []
        drive(store.clear(ONE))
        assert left_over(root) == []
        with pytest.raises(UploadMissing):
            drive(store.put_part(ONE, parts_id, 1, b"x"))


def test_what_a_crash_left_of_a_finished_upload(store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts_id, parts = begun(store, b"a", b"b")

    def refuse(*args: object, **more: object) -> None:
        raise PermissionError(1, "injected")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", refuse)
        with pytest.raises(StoreRefused):
            drive(store.finish_parts(ONE, parts_id, parts))
    assert bytes_of(store) == b"ab"
    assert open_uploads(store) == []
    before = drive(store.head(ONE))
    assert drive(store.finish_parts(ONE, parts_id, parts)) == before
    assert left_over(root) == []


@pytest.mark.parametrize("call", ["rename", "fsync", "copy_file_range", "open"])
def test_a_finish_that_failed_may_be_repeated(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    parts_id, parts = begun(store, b"a", b"b")

    def fail(*args: object, **more: object) -> None:
        raise OSError(5, "injected")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StoreRefused):
            drive(store.finish_parts(ONE, parts_id, parts))
    with pytest.raises(ObjectMissing):
        drive(store.head(ONE))
    assert len(open_uploads(store)) == 1
    drive(store.finish_parts(ONE, parts_id, parts))
    assert bytes_of(store) == b"ab"
    assert left_over(root) == []


@pytest.mark.parametrize("_", range(10))
def test_many_who_finish_at_once_make_one_object(store: DiskStore, root: Path, _: int) -> None:
    parts_id, parts = begun(store, content(MIB, 1), content(MIB, 2))
    start = threading.Barrier(6)
    made: list[object] = []

    def finish() -> None:
        start.wait()
        try:
            made.append(drive(store.finish_parts(ONE, parts_id, parts)))
        except KistError as error:
            made.append(error)

    threads = [threading.Thread(target=finish) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [drive(store.head(ONE))] * 6
    assert left_over(root) == []


def test_a_slow_finish_never_replaces_what_a_quick_one_made(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_id, parts = begun(store, b"a", b"b")
    utime = os.utime

    def overtaken(*args: object, **more: object) -> None:
        monkeypatch.setattr(os, "utime", utime)
        drive(store.finish_parts(ONE, parts_id, parts))

    monkeypatch.setattr(os, "utime", overtaken)
    with pytest.raises(UploadMissing):
        drive(store.finish_parts(ONE, parts_id, parts[:1]))
    assert bytes_of(store) == b"ab"
    assert left_over(root) == []


@pytest.mark.parametrize("what", ["upload", "part", "all"])
def test_planted_links_lead_nowhere(store: DiskStore, root: Path, tmp_path: Path, what: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "place").write_bytes(b'{"bucket": "some-bucket", "key": ".kist/parts/one"}')
    (outside / "00001").write_bytes(b"not ours" + bytes(16))
    parts_id, _ = begun(store)
    folder = folder_of(root)
    if what == "part":
        (folder / "00001").symlink_to(outside / "00001")
    else:
        planted = folder if what == "upload" else folder.parent
        planted.rename(tmp_path / "aside")
        planted.symlink_to(outside)
    with pytest.raises(KistError):
        drive(store.finish_parts(ONE, parts_id, [PartRef(number=1, etag="0" * 32, size=8)]))
    if what != "part":
        with pytest.raises(KistError):
            drive(store.put_part(ONE, parts_id, 1, b"x"))
    assert sorted(path.name for path in outside.iterdir()) == ["00001", "place"]
    assert (outside / "00001").read_bytes() == b"not ours" + bytes(16)


def test_bodies_of_streams_are_hashed_as_they_come(store: DiskStore) -> None:
    parts_id, (put,) = begun(store, content(3 * MIB))
    assert drive(store.receive_part(ONE, parts_id, 1, in_blocks(content(3 * MIB), 70_001), 3 * MIB)) == put
