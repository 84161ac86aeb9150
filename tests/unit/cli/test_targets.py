"""A name from a server never leads out of the folder that was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kist.cli.targets import part_of, target_in
from kist.errors import BadName, KistError, Refused

LIES = ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "", ".", "..", "a\\..\\b", "a\x00b", "a\nb", "e\u0301.txt"]


@pytest.mark.parametrize("name", LIES)
def test_a_name_that_lies_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        target_in(tmp_path, name)


def test_a_folder_keeps_its_shape(tmp_path: Path) -> None:
    assert target_in(tmp_path, "photos/a/b.jpg") == tmp_path / "photos" / "a" / "b.jpg"


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to("/etc")
    with pytest.raises(Refused):
        target_in(tmp_path, "photos/passwd")


@given(st.text(st.sampled_from("./\\ab\x00\u202e~")))
def test_whatever_the_name_the_target_is_inside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        target = target_in(folder, name)
    except KistError:
        return
    assert folder in target.resolve().parents


@pytest.mark.parametrize("mark", ["../../../x", "a/b", "", "a\0b", "\x1b[31m"])
def test_a_checksum_that_is_none_leads_nowhere(tmp_path: Path, mark: str) -> None:
    with pytest.raises(BadName):
        part_of(tmp_path / "x", mark)


def test_temporary_names_fit_beside_long_ones(tmp_path: Path) -> None:
    target = tmp_path / ("ü" * 127)
    part = part_of(target, "0123456789abcdef")
    assert part.parent == tmp_path
    assert part.name.startswith(".ü")
    assert len(part.name.encode()) < 255
    part.touch()
