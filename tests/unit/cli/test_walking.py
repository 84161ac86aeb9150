"""What a put finds on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kist.cli.backend import Source
from kist.cli.outcomes import Outcome, State
from kist.cli.walking import Found, sources


def found(*paths: Path | str, name: str | None = None, folder: str = "", type: str | None = None) -> list[Found]:
    return list(sources(tuple(str(path) for path in paths), name=name, folder=folder, type=type))


def names(found_: list[Found]) -> list[str]:
    return [each.name for each in found_ if isinstance(each, Source)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b.jpg").write_bytes(b"jpg")
    (folder / "z.txt").write_bytes(b"text")
    return folder


def test_a_folder_keeps_its_shape(photos: Path) -> None:
    assert names(found(photos)) == ["photos/a/b.jpg", "photos/z.txt"]
    assert names(found(photos, folder="2026/")) == ["2026/photos/a/b.jpg", "2026/photos/z.txt"]


def test_the_present_folder_is_called_by_its_name(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    assert names(found(".")) == ["photos/a/b.jpg", "photos/z.txt"]
    assert names(found(".."))[0].startswith(f"{photos.parent.name}/photos/")


def test_a_file_by_itself(photos: Path) -> None:
    (source,) = found(photos / "z.txt")
    assert isinstance(source, Source)
    assert (source.name, source.size, source.type) == ("z.txt", 4, "text/plain")
    (source,) = found(photos / "z.txt", name="other.bin", type="image/png")
    assert isinstance(source, Source)
    assert (source.name, source.type) == ("other.bin", "image/png")


def test_links_are_skipped_in_folders_and_refused_by_name(photos: Path) -> None:
    (photos / "link").symlink_to("z.txt")
    (photos / "loop").symlink_to(photos)
    states = {each.name: each.state for each in found(photos) if isinstance(each, Outcome)}
    assert states == {str(photos / "link"): State.SKIPPED, str(photos / "loop"): State.SKIPPED}
    (outcome,) = found(photos / "link")
    assert isinstance(outcome, Outcome)
    assert outcome.state is State.FAILED


def test_what_cannot_be_a_file_does_not_stop_the_rest(photos: Path) -> None:
    os.mkfifo(photos / "pipe")
    (photos / "bad\\name").touch()
    everything = found(photos / "absent", photos)
    assert names(everything) == ["photos/a/b.jpg", "photos/z.txt"]
    assert [each.state for each in everything if isinstance(each, Outcome)] == [State.FAILED] * 3


def test_a_name_that_is_no_utf8(photos: Path) -> None:
    with open(os.fsencode(photos) + b"/\xff.txt", "wb"):
        pass
    assert [each.state for each in found(photos) if isinstance(each, Outcome)] == [State.FAILED]


def test_a_decomposed_name_is_composed(photos: Path) -> None:
    (photos / "e\u0301.txt").touch()
    assert "photos/é.txt" in names(found(photos))


def test_a_name_for_a_folder_is_refused(photos: Path) -> None:
    (outcome,) = found(photos, name="x")
    assert isinstance(outcome, Outcome)
    assert outcome.state is State.FAILED
