"""What a caller may call a folder of the server, and which folder that is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kist.drive import right_here
from kist.errors import SourceMissing, SourceRefused
from kist.roots import SyncRoots
from kist.sync.folder import FolderTree
from kist.system import SystemIds


def real(path: Path) -> str:
    return os.path.realpath(path)


def roots(tmp_path: Path) -> SyncRoots:
    (tmp_path / "up" / "a" / "b").mkdir(parents=True, exist_ok=True)
    (tmp_path / "outside").mkdir(exist_ok=True)
    return SyncRoots({"uploads": tmp_path / "up", "linked": tmp_path / "link"}, right_here)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("", ""), (".", ""), ("a", "/a"), ("a/", "/a"), ("a//b/./", "/a/b"), ("uploads:a", "/a"), ("uploads:", ""),
        ("none", "/none"), ("uploads:with:colon", "/with:colon"), ("...", "/..."), ("~", "/~"), ("a\\b", "/a\\b"),
    ],
)  # fmt: skip
async def test_what_is_below_a_root(tmp_path: Path, source: str, path: str) -> None:
    root = real(tmp_path / "up")
    assert await roots(tmp_path).resolve(source) == (root + path, root)


@pytest.mark.parametrize("source", ["/", "/a", "..", "a/..", "a/../b", "x:a", ":a", "a\0", "\n", "\ud800", "x" * 4097])
async def test_what_is_none(tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceRefused):
        await roots(tmp_path).resolve(source)


async def test_a_root_may_be_a_link_and_a_way_may_lead_through_links_that_stay(tmp_path: Path) -> None:
    found = roots(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "up")
    (tmp_path / "up" / "in").symlink_to("a/b")
    (tmp_path / "up" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "up" / "beside").symlink_to(tmp_path / "up-other")
    (tmp_path / "up" / "loop").symlink_to("loop")
    root = real(tmp_path / "up")
    assert await found.resolve("linked:a") == (f"{root}/a", root)
    assert await found.resolve("in") == (f"{root}/a/b", root)
    for source in ("out", "out/x", "linked:out", "beside"):
        with pytest.raises(SourceRefused, match="leads out"):
            await found.resolve(source)
    assert (await found.resolve("loop")).path.startswith(root)


@given(source=st.text(st.sampled_from("ab./:\\~ \0é"), max_size=12))
async def test_nothing_leads_out(tmp_path_factory: pytest.TempPathFactory, source: str) -> None:
    tmp_path = tmp_path_factory.getbasetemp()
    try:
        found = await roots(tmp_path).resolve(source)
    except SourceRefused:
        return
    root = real(tmp_path / "up")
    assert found.root == root
    assert found.path == root or found.path.startswith(f"{root}/")


async def test_a_link_that_was_put_in_the_way_is_not_followed(tmp_path: Path) -> None:
    found = await roots(tmp_path).resolve("a/b")
    (tmp_path / "outside" / "b").mkdir()
    (tmp_path / "outside" / "b" / "secret").write_text("x")
    tree = FolderTree(Path(found.path), right_here, SystemIds(), beneath=Path(found.root))
    assert await tree.identity()
    (tmp_path / "up" / "a").rename(tmp_path / "up" / "c")
    (tmp_path / "up" / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceMissing) as caught:
        await tree.identity()
    assert caught.value.about == {"absent": False}
    assert await FolderTree(Path(found.path), right_here, SystemIds()).identity(), "without it, the link would do"
    (tmp_path / "up" / "a").unlink()
    with pytest.raises(SourceMissing) as caught:
        await tree.identity()
    assert caught.value.about == {"absent": True}
