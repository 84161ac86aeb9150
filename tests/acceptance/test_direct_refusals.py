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


@pytest.mark.parametrize("way", ["form", "put", "parts", "proxied"])
@pytest.mark.parametrize(("visibility", "status"), [("private", 403), ("public-read", 200)])
def test_a_bucket_that_holds_acls(
    acl_site: Site, way: str, visibility: str, status: int, request: pytest.FixtureRequest
) -> None:
    """``KIST_BUCKET_ACLS``: the object has what the visibility says, and Kist itself can always read it."""
    pool = urllib3.PoolManager(retries=False)
    if way == "proxied":
        file = acl_site.ann.call("POST", f"/v1/files?name=a&visibility={visibility}", DATA).json["id"]
    else:
        ticket = begin(acl_site.ann, 10, way, visibility=visibility)
        assert Holder(pool).send(ticket, DATA).status in (200, 204)
        assert complete(acl_site.ann, ticket).status == 200
        file = ticket["file"]
    assert acl_site.ann.content(file) == DATA
    row = acl_site.run(acl_site.kist._ports.catalogue.file(file))
    endpoint = request.getfixturevalue("rgw").endpoint
    assert pool.request("GET", f"{endpoint}/{row.bucket}/{row.key}").status == status
    pool.clear()


@pytest.mark.parametrize("way", ["form", "put"])
def test_what_nobody_has_looked_at_is_public_to_nobody(
    acl_site: Site, way: str, request: pytest.FixtureRequest
) -> None:
    """Not before it is complete, nor what the ticket brings later: both may be anything."""
    pool = urllib3.PoolManager(retries=False)
    ticket = begin(acl_site.ann, 10, way, visibility="public-read")
    upload = acl_site.run(acl_site.kist._ports.catalogue.upload(ticket["id"]))
    staged = f"{request.getfixturevalue('rgw').endpoint}/{upload.bucket}/{upload.key}"
    assert Holder(pool).send(ticket, DATA).status in (200, 204)
    assert pool.request("GET", staged).status == 403
    assert complete(acl_site.ann, ticket).status == 200
    assert Holder(pool).send(ticket, DATA[::-1]).status in (200, 204)
    assert pool.request("GET", staged).status == 403
    pool.clear()


@pytest.fixture(scope="module")
def acl_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with direct_site("rgw", tmp_path_factory.mktemp("home"), request, KIST_BUCKET_ACLS="1") as site:
        yield site


def test_a_store_that_signs_nothing(tmp_path: Path) -> None:
    with serving(memory_settings(tmp_path)) as site:
        answer = site.ann.call("POST", "/v1/uploads", {"name": "a", "size": 10})
        assert (answer.status, answer.json["code"]) == (409, "unsupported")
