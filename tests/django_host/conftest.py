"""Projects for the tests of what Django projects use."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from tests.django_host.projects import on_disk, on_s3, project
from tests.servers.server import S3Server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A project with rows in SQLite and bytes on disk."""
    with project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}", on_disk(tmp_path)):
        yield tmp_path


@pytest.fixture(params=["sqlite-disk", "sqlite-rgw", "postgres-disk"])
def each_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The same on each kind of database and store."""
    rows, _, bytes_ = request.param.partition("-")
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}" if rows == "sqlite" else request.getfixturevalue("database")
    kist = on_disk(tmp_path)
    if bytes_ == "rgw":
        server: S3Server = request.getfixturevalue("rgw")
        kist = on_s3(server, f"django-{uuid.uuid4().hex[:12]}")
    with project(tmp_path, url, kist):
        yield tmp_path


@pytest.fixture
def django_assert_queries() -> Callable[[int], AbstractContextManager[None]]:
    """A block that asks the database exactly so many questions."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    @contextmanager
    def asked(count: int) -> Iterator[None]:
        with CaptureQueriesContext(connection) as seen:
            yield
        assert len(seen) == count, [each["sql"] for each in seen]

    return asked
