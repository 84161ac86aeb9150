"""What all tests of contracts need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.servers.pauses import postgres_may_pause


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """A contract says nothing of how long a server may stand still."""
    with postgres_may_pause():
        yield
