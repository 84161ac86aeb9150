"""What the older contracts are tried on: each host, and under it each kind of store and of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from tests.acceptance.served import Serve, Site, serving
from tests.django_host.served import HOSTS, postgres_tables, under_asgi, under_wsgi
from tests.servers.pauses import postgres_may_pause
from tests.servers.server import PostgresServer

KEPT_TO_ASGI = "the test reaches into the process that answers: under Django that is another"
NO_ROUTE = "paths that are no routes are the project's own under Django"


class Ground(NamedTuple):
    """A host, a kind of store, and whether the rows are in PostgreSQL instead of SQLite."""

    serve: Serve
    store: str
    in_postgres: bool = False

    @contextmanager
    def database(self, request: pytest.FixtureRequest) -> Iterator[str]:
        """The URL of the database with its tables, empty for the SQLite of the home."""
        if not self.in_postgres:
            yield ""
            return
        server: PostgresServer = request.getfixturevalue("postgres")
        with postgres_tables(server.url) as url, postgres_may_pause():
            yield url


GROUNDS = [
    pytest.param(Ground(serving, "disk"), id="asgi-disk"),
    pytest.param(Ground(serving, "rgw"), id="asgi-rgw"),
    pytest.param(Ground(under_wsgi, "disk"), id="django-wsgi-disk"),
    pytest.param(Ground(under_asgi, "disk"), id="django-asgi-disk"),
    pytest.param(Ground(under_wsgi, "rgw", in_postgres=True), id="django-wsgi-rgw-postgres"),
]


@pytest.fixture(params=list(HOSTS.values()), ids=list(HOSTS))
def serve(request: pytest.FixtureRequest) -> Serve:
    """Each host, for tests with settings of their own."""
    found: Serve = request.param
    return found


def only_asgi(site: Site, reason: str = KEPT_TO_ASGI) -> None:
    """Leave the test to the ASGI host."""
    if site.host != "asgi":
        pytest.skip(reason)
