"""On the disk store a ticket ends with its upload: it is no way around a quota."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from tests.acceptance.holder import Holder, Ticket, begin, complete
from tests.acceptance.served import Site, disk_settings, serving

DATA = b"0123456789" * 100


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = disk_settings(tmp_path_factory.mktemp("home"), KIST_QUOTA_BYTES="3000")
    with serving(settings) as site:
        yield site


@pytest.fixture(params=["form", "put", "parts"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def staged(site: Site) -> list[Path]:
    return [path for path in Path(site.settings.home).rglob("*") if path.is_file() and path.read_bytes()[:1000] == DATA]


def refused(site: Site, ticket: Ticket) -> bool:
    answer = Holder(urllib3.PoolManager(retries=False)).send(ticket, DATA)
    assert answer.status in (403, 404), answer.body
    return not staged(site)


def test_an_aborted_upload_takes_nothing(site: Site, way: str) -> None:
    for _ in range(5):
        ticket = begin(site.ann, 1000, way)
        assert site.ann.call("DELETE", f"/v1/uploads/{ticket['id']}").status == 204
        assert refused(site, ticket)


def test_nor_does_the_ticket_before_the_last(site: Site, way: str) -> None:
    if way == "parts":
        pytest.skip("an upload in parts goes on where it is")
    first = begin(site.ann, 1000, way)
    again = site.ann.call("POST", f"/v1/uploads/{first['id']}/ticket", b"").json
    assert refused(site, first)
    assert Holder(urllib3.PoolManager(retries=False)).send(again, DATA).status in (200, 204)
    assert complete(site.ann, again).status == 200
    answer = Holder(urllib3.PoolManager(retries=False)).send(again, DATA)
    assert answer.status == 403, "nor that of a completed one"
    assert site.ann.call("DELETE", f"/v1/files/{first['file']}").status == 204
    site.run(site.kist.upkeep.erase_doomed())
    for path in staged(site):
        path.unlink()  # what readers may still have open
