"""Without the restricted key, a store that copies a victim's bytes hands out no tickets for PUT and parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from tests.acceptance.direct_sites import direct_site
from tests.acceptance.holder import Holder, begin, complete
from tests.acceptance.served import Site, memory_settings, s3_settings, serving

DATA = b"0123456789"


@pytest.fixture(scope="module", params=["rgw", "ministack"])
def unsafe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with direct_site(request.param, tmp_path_factory.mktemp("home"), request, signing_key=False) as site:
        yield site


@pytest.mark.parametrize("way", ["put", "parts"])
def test_the_ticket_is_refused_with_a_sentence(unsafe: Site, way: str) -> None:
    answer = unsafe.ann.call("POST", "/v1/uploads", {"name": "a", "size": 10, "way": way})
    assert (answer.status, answer.json["code"]) == (409, "unsafe_way")
    assert f"{'part' if way == 'parts' else 'put'}_copy_source" in answer.json["failed"]
    assert "restricted signing key" in answer.json["detail"]
    assert unsafe.ann.call("GET", "/v1/files").json["items"] == []


def test_forms_and_proxied_uploads_go_on(unsafe: Site) -> None:
    pool = urllib3.PoolManager(retries=False)
    ticket = begin(unsafe.ann, 10, "auto")
    assert ticket["way"] == "form"
    assert Holder(pool).send(ticket, DATA).status == 204
    assert complete(unsafe.ann, ticket).status == 200
    assert unsafe.ann.content(unsafe.ann.put("a.bin", DATA)["id"]) == DATA
    pool.clear()


def test_until_probed_only_proxied_doors_are_open(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    with serving(s3_settings(home, request.getfixturevalue("rgw"))) as site:
        answer = site.ann.call("POST", "/v1/uploads", {"name": "a", "size": 10})
        assert (answer.status, answer.json["failed"]) == (409, ["not probed"])
        assert site.ann.content(site.ann.put("a.bin", DATA)["id"]) == DATA
        assert site.run(site.kist.ways.probe_once()) == 1
        assert site.run(site.kist.ways.probe_once()) == 0
        assert begin(site.ann, 10, "auto")["way"] == "form"


def test_a_store_that_signs_nothing(tmp_path: Path) -> None:
    with serving(memory_settings(tmp_path)) as site:
        answer = site.ann.call("POST", "/v1/uploads", {"name": "a", "size": 10})
        assert (answer.status, answer.json["code"]) == (409, "unsupported")
