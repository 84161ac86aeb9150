"""For tests on a machine that stands still now and then: what is not about that must not hang on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kist.catalogues.postgresql import connections, pulse, runner

PATIENCE = 30.0
PATIENT = {"PYTHONPATH": str(Path(__file__).parent / "patience")}
"""In the environment of another process, the same for its catalogues."""


@contextmanager
def postgres_may_pause() -> Iterator[None]:
    """Catalogues of this process wait for a server that stands still, for the length of the block. (That callers are
    else told within two seconds is what tests/faults/test_postgres_hanging.py is about.)"""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(pulse, "LATE", PATIENCE)
        changed.setattr(connections, "CONNECT_PATIENCE", PATIENCE)
        changed.setattr(runner, "DOUBT_PATIENCE", PATIENCE)
        yield
