"""Links that somebody planted beside the database: nothing is written through them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kist.catalogues.sqlite.writer import Writer
from kist.errors import Misconfigured


@pytest.mark.parametrize("ending", ["lock", "reserve"])
async def test_what_lies_beside_the_database_is_no_link(tmp_path: Path, ending: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f"kist.sqlite.{ending}").symlink_to(victim)
    with pytest.raises(Misconfigured, match="symbolic links"):
        Writer(tmp_path / "kist.sqlite", asyncio.get_running_loop())
    assert victim.read_text() == "mine"
