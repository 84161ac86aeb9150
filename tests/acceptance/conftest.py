"""Servers for the acceptance tests: one in memory for all that is not about storage, and one per kind of store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.served import Site, disk_settings, memory_settings, s3_settings, serving


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that keeps everything in memory, shared by the tests of a module."""
    with serving(memory_settings(tmp_path_factory.mktemp("home"))) as found:
        yield found


@pytest.fixture(scope="module", params=["disk", "rgw", "ministack"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on SQLite and each real kind of store."""
    home = tmp_path_factory.mktemp("home")
    kind = request.param
    settings = disk_settings(home) if kind == "disk" else s3_settings(home, request.getfixturevalue(kind))
    with serving(settings) as found:
        yield found
