"""Servers of a test's own, to be stopped, killed and made to hang."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.pauses import postgres_may_pause
from tests.servers.postgres import Cluster
from tests.servers.server import PostgresServer

from kist.catalogues.postgresql import connections, runner


@pytest.fixture
def cluster(postgres: PostgresServer) -> Iterator[Cluster]:
    """A server of PostgreSQL. (Asking for ``postgres`` says why where there is none.)"""
    with tempfile.TemporaryDirectory(prefix="kist-postgres-", ignore_cleanup_errors=True) as name:
        made = Cluster(Path(name))
        made.start()
        yield made
        made.stop()


@pytest.fixture
def patient() -> Iterator[None]:
    """A PostgreSQL that stands still for some seconds, or a process of it, is waited for."""
    with postgres_may_pause():
        yield


@pytest.fixture
def long_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that others hold are waited for as long as it takes."""
    monkeypatch.setitem(connections._SESSION, "lock_timeout", "60000")
    monkeypatch.setattr(runner, "WRITE_PATIENCE", 60.0)
