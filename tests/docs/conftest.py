"""What the tests of the documentation ask for."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture
def tools() -> None:
    """The programs that the pages tell their readers to use."""
    missing = [name for name in ("bash", "curl", "python3") if shutil.which(name) is None]
    if missing:
        why = f"the pages use {', '.join(missing)}, which is not here"
        if os.environ.get("CI") == "true":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
