"""PostgreSQL is stopped under a running site: callers are told soon and clearly, and it goes on when it is back."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import Answer, Client
from tests.dialects.dabapps_holder import Uploader
from tests.django_host.project import Project, project
from tests.servers.databases import BACK_WITHIN
from tests.servers.postgres import Cluster
from tests.servers.server import PostgresServer

TOLD_WITHIN = 2.0
ATTEMPTS = 4
"""Of which the best keeps to the times: a machine that stands still meanwhile says nothing about them."""
PATIENCE = 60.0
"""Seconds until it counts as not being back at all."""


@pytest.fixture
def cluster(postgres: PostgresServer) -> Iterator[Cluster]:
    """A server of the test's own. (Asking for ``postgres`` says why where there is none.)"""
    with tempfile.TemporaryDirectory(prefix="kist-postgres-", ignore_cleanup_errors=True) as name:
        made = Cluster(Path(name))
        made.start()
        yield made
        made.stop()


def back(ask: Callable[[], Answer], status: int) -> Answer:
    """What is answered as soon as it is the right thing again."""
    give_up = time.monotonic() + PATIENCE
    while (answer := ask()).status != status:
        assert answer.status == 503, answer.body
        assert time.monotonic() < give_up, answer.body
        time.sleep(0.05)
    return answer


def refused(ask: Callable[[], Answer]) -> float:
    """Demand to be told that the database is gone; the seconds that it took."""
    began = time.monotonic()
    answer = ask()
    took = time.monotonic() - began
    assert answer.status == 503, answer.body
    assert "retry-after" in answer.headers
    assert "the database cannot be reached" in answer.json["detail"]
    return took


def in_time(cluster: Cluster, how: signal.Signals, asks: list[Callable[[], Answer]]) -> bool:
    """Stop the database, have all be told, and start it: whether each was told, and was served again, in time."""
    cluster.stop(how)
    told = max(refused(ask) for ask in asks)
    cluster.start()
    began = time.monotonic()
    assert back(asks[0], 201).json["filename"] == "a"
    return told < TOLD_WITHIN and time.monotonic() - began < BACK_WITHIN


@pytest.mark.parametrize("under", ["wsgi", "asgi"])
def test_postgres_is_stopped_and_started(cluster: Cluster, under: str, tmp_path: Path) -> None:
    with project(under, tmp_path, database=cluster.server.url) as site:
        ann = signed_in(site)
        made = ann.upload(b"data", filename="kept.txt")
        asks: list[Callable[[], Answer]] = [
            lambda: ann.ask({"filename": "a"}),
            lambda: ann.fetch(made),
            lambda: site.client.call("GET", "/v1/files", **site.ann.signed_in),
            lambda: site.client.call("GET", "/v1/files", authorization="Bearer kist_0_wrong"),
        ]
        for how in (signal.SIGQUIT, signal.SIGINT):
            assert any(in_time(cluster, how, asks) for _ in range(ATTEMPTS))
            assert ann.read(made).body == b"data"


def test_nothing_acknowledged_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    with project("wsgi", tmp_path, database=cluster.server.url) as site:
        kept: list[dict[str, Any]] = []
        took: list[float] = []

        def put() -> Answer:
            headers = site.ann.signed_in | {"content_type": "text/plain"}
            answer = site.client.call("POST", f"/v1/files?name={len(kept)}.txt", str(len(kept)).encode(), **headers)
            if answer.status == 201:
                kept.append(answer.json)
            return answer

        for _ in range(3):
            for _ in range(5):
                put()
            cluster.stop(signal.SIGQUIT)
            assert put().status == 503
            cluster.start()
            began = time.monotonic()
            back(put, 201)
            took.append(time.monotonic() - began)
        assert min(took) < BACK_WITHIN
        assert len(kept) >= 18
        for number, file in enumerate(kept):
            answer = site.client.call("GET", f"/v1/files/{file['id']}/content", **site.ann.signed_in)
            assert (answer.status, answer.body) == (200, str(number).encode())


def signed_in(site: Project) -> Uploader:
    """Ann's page: it sends her cookies with each request."""

    class Page(Client):
        def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
            return super().call(method, path, body, **(headers | site.ann.signed_in))

    return Uploader(Page(site.client.url))
