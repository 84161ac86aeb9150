"""The places at which syncs are tried."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.acceptance.served import disk_settings, memory_settings, s3_settings
from tests.sync.place import Scene, scene


@pytest.fixture(params=["memory", "disk", "rgw"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """A folder, and a bucket in memory, on disk and on a real S3 server."""
    home = tmp_path / "home"
    if request.param == "rgw":
        settings = s3_settings(home, request.getfixturevalue("rgw"))
    else:
        settings = (memory_settings if request.param == "memory" else disk_settings)(home)
    (tmp_path / "folder").mkdir()
    made = await scene(settings, tmp_path / "folder")
    yield made
    await made.kist.close()
