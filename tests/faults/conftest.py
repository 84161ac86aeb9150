"""Servers of a test's own, to be stopped, killed and made to hang."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import Cluster
from tests.servers.server import PostgresServer


@pytest.fixture
def cluster(postgres: PostgresServer) -> Iterator[Cluster]:
    """A server of PostgreSQL. (Asking for ``postgres`` says why where there is none.)"""
    with tempfile.TemporaryDirectory(prefix="kist-postgres-", ignore_cleanup_errors=True) as name:
        made = Cluster(Path(name))
        made.start()
        yield made
        made.stop()
