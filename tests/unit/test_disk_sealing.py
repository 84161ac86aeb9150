"""Sealing on disk: one file under two names, whatever lies in the way, and nothing left over when it fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kist.drive import drive, right_here
from kist.errors import KistError, ObjectMissing, StoreFull, StoreRefused, StoreUnavailable
from kist.model.content import PutRules
from kist.model.place import Place
from kist.stores.disk import DiskStore
from kist.system import SystemClock, SystemIds
from kist.testing.ground import in_blocks, read

SOURCE = Place("some-bucket", "in/source")
TARGET = Place("some-bucket", "objects/target")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> DiskStore:
    store = DiskStore(root, right_here, SystemClock(), SystemIds())
    drive(store.make_bucket(SOURCE.bucket))
    drive(store.put(SOURCE, in_blocks(b"the bytes"), PutRules()))
    return store


def path_of(root: Path, place: Place) -> Path:
    return root / place.bucket / place.key


def bytes_at(store: DiskStore, place: Place) -> bytes:
    async def whole() -> bytes:
        return await read(await store.open(place))

    return drive(whole())


def left_over(root: Path) -> list[str]:
    return [path.name for path in (root / ".tmp").rglob("*") if not path.is_dir()]


def test_no_byte_is_copied(store: DiskStore, root: Path) -> None:
    drive(store.seal(SOURCE, TARGET, PutRules()))
    assert path_of(root, SOURCE).stat().st_ino == path_of(root, TARGET).stat().st_ino
    drive(store.put(SOURCE, in_blocks(b"others"), PutRules()))
    assert path_of(root, SOURCE).stat().st_ino != path_of(root, TARGET).stat().st_ino
    assert bytes_at(store, TARGET) == b"the bytes"
    assert left_over(root) == []


def test_sealing_again_leaves_nothing_over(store: DiskStore, root: Path) -> None:
    for target in (TARGET, TARGET, SOURCE):
        assert drive(store.seal(SOURCE, target, PutRules())).size == len(b"the bytes")
    assert left_over(root) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_links_are_refused_it_copies(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise OSError(number, "injected")

    monkeypatch.setattr(os, "link", refuse)
    assert drive(store.seal(SOURCE, TARGET, PutRules())).place == TARGET
    assert path_of(root, SOURCE).stat().st_ino != path_of(root, TARGET).stat().st_ino
    assert bytes_at(store, TARGET) == b"the bytes"
    assert left_over(root) == []


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreRefused), (errno.ESTALE, StoreUnavailable)]
)
@pytest.mark.parametrize("call", ["link", "rename", "mkdir", "stat"])
def test_a_failing_call(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[KistError]
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise OSError(number, "injected")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(kind):
            drive(store.seal(SOURCE, TARGET, PutRules()))
    with pytest.raises(ObjectMissing):
        drive(store.head(TARGET))
    assert left_over(root) == []


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_what_is_no_object_is_not_sealed(store: DiskStore, root: Path, tmp_path: Path, what: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    planted = path_of(root, SOURCE)
    planted.unlink()
    if what == "link":
        planted.symlink_to(outside)
    elif what == "pipe":
        os.mkfifo(planted)
    else:
        planted.mkdir()
    with pytest.raises(ObjectMissing):
        drive(store.seal(SOURCE, TARGET, PutRules()))
    assert not path_of(root, TARGET).exists()
    assert left_over(root) == []


@pytest.mark.parametrize("where", ["in", "objects"])
def test_a_link_in_place_of_a_folder(store: DiskStore, root: Path, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "source").write_bytes(b"not ours")
    folder = root / SOURCE.bucket / where
    if folder.exists():
        folder.rename(tmp_path / "aside")
    folder.symlink_to(outside)
    with pytest.raises((ObjectMissing, StoreRefused)):
        drive(store.seal(SOURCE, TARGET, PutRules()))
    assert sorted(path.name for path in outside.iterdir()) == ["source"]
    assert left_over(root) == []


def test_clear_finds_what_a_killed_seal_left(store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*args: object, **more: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        patch.setattr(os, "unlink", killed)
        with pytest.raises(Killed):
            drive(store.seal(SOURCE, TARGET, PutRules()))
    assert len(left_over(root)) == 1
    drive(store.clear(TARGET))
    assert left_over(root) == []
    assert bytes_at(store, SOURCE) == b"the bytes"
