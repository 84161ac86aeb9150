"""Buckets over HTTP: made, filled by every door, listed, emptied and removed, on disk and on real S3 servers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.acceptance.direct_sites import ORIGIN, direct_site
from tests.acceptance.served import Site

from kist.errors import UnsafeWay
from kist.model.actor import Actor
from kist.model.content import PutRules
from kist.model.place import Place
from kist.model.upload import Declared

ANN = Actor("ann")


@pytest.fixture(scope="module", params=["disk", "rgw", "ministack"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # On the gateway a new bucket's policy lets the signer in; elsewhere its own policy has to name all buckets.
    in_all = request.param == "ministack"
    with direct_site(request.param, tmp_path_factory.mktemp("home"), request, in_all=in_all) as site:
        yield site


@pytest.fixture
def bucket(site: Site) -> str:
    name = f"anns-{uuid.uuid4().hex[:12]}"
    answer = site.ann.call("POST", "/v1/buckets", {"name": name})
    assert (answer.status, answer.json["name"], answer.json["owner"]) == (201, name, "ann")
    return name


async def one(data: bytes) -> AsyncIterator[bytes]:
    yield data


def put_object(site: Site, bucket: str, key: str, data: bytes = b"0123456789") -> None:
    """As another program does that writes to the same store."""
    site.run(site.kist.files._ports.store.put(Place(bucket, key), one(data), PutRules(type="text/html")))


def names(site: Site, client: Any) -> list[str]:
    return [item["name"] for item in client.call("GET", "/v1/buckets").json["items"]]


def test_a_bucket_from_its_making_to_its_end(site: Site, bucket: str) -> None:
    assert bucket in names(site, site.ann)
    assert bucket in names(site, site.admin)
    assert names(site, site.bob) == []
    made = site.ann.call("POST", f"/v1/files?name=a.txt&bucket={bucket}", b"content")
    assert (made.status, made.json["bucket"]) == (201, bucket)
    assert site.bob.call("POST", f"/v1/files?name=a.txt&bucket={bucket}", b"x").status == 404
    listed = site.ann.call("GET", f"/v1/files?bucket={bucket}").json["items"]
    assert [item["id"] for item in listed] == [made.json["id"]]
    assert site.ann.content(made.json["id"]) == b"content"
    for path, status in (
        (f"/v1/buckets/{bucket}", 400),
        (f"/v1/buckets/{bucket}?confirm=other", 400),
        (f"/v1/buckets/{bucket}?confirm={bucket}", 409),
    ):
        assert site.ann.call("DELETE", path).status in (status, 422 if status == 400 else status)
    assert site.ann.call("DELETE", f"/v1/files/{made.json['id']}").status == 204
    assert site.bob.call("DELETE", f"/v1/buckets/{bucket}?confirm={bucket}").status == 404
    assert site.ann.call("DELETE", f"/v1/buckets/{bucket}?confirm={bucket}").status == 204
    assert bucket not in names(site, site.admin)
    assert site.ann.call("POST", f"/v1/files?name=a.txt&bucket={bucket}", b"x").status == 404


@pytest.mark.parametrize("name", ["kist", "A", "a.b.c", "-a-", "../up", "x" * 64, "日本"])
def test_names_that_cannot_be_had(site: Site, name: str) -> None:
    name = site.settings.bucket if name == "kist" else name
    answer = site.ann.call("POST", "/v1/buckets", {"name": name})
    assert (answer.status, answer.json["code"]) in ((409, "already_there"), (422, "bad_name"))
    assert name not in names(site, site.ann)


def test_a_direct_upload_into_it(site: Site, bucket: str) -> None:
    """A new bucket is as open as the base bucket: it was given the same rules, and probed."""
    asked = {"name": "d.txt", "size": 5, "bucket": bucket, "way": "put"}
    ticket = site.ann.call("POST", "/v1/uploads", asked, origin=ORIGIN).json
    sent = site.nobody.pool.request("PUT", ticket["url"], body=b"12345", headers=ticket["headers"] | {"Origin": ORIGIN})
    assert sent.status == 200
    assert sent.headers["access-control-allow-origin"] == ORIGIN
    file = site.ann.call("POST", f"/v1/uploads/{ticket['id']}/complete", b"").json
    assert (file["bucket"], site.ann.content(file["id"])) == (bucket, b"12345")
    assert site.bob.call("POST", "/v1/uploads", asked).status == 404


def test_a_plain_link_into_it(site: Site) -> None:
    """For contracts whose clients send no header: on Ceph only since the bucket's policy lets the main key read."""
    kept = site.run(site.kist.buckets.own(f"kept-{uuid.uuid4().hex[:12]}", "syncano"))
    life = timedelta(seconds=60)
    url = site.run(site.kist.addressed.link(ANN, kept, "ann/a.txt", life))
    assert (
        site.run(site.kist.addressed.link(ANN, kept, "ann/a.txt", life)).partition("?")[0].rpartition("/")[0]
        == (url.partition("?")[0].rpartition("/")[0])
    )
    assert site.nobody.pool.request("PUT", url, body=b"12345").status == 200
    file = site.run(site.kist.addressed.get(ANN, kept, "ann/a.txt"))
    assert (file.size, file.owner, site.ann.content(file.id)) == (5, "ann", b"12345")
    site.nobody.pool.request("PUT", url, body=b"later bytes")
    assert site.ann.content(file.id) == b"12345"
    assert site.nobody.pool.request("PUT", url, body=b"x", headers={"x-amz-copy-source": "/a/b"}).status >= 400
    through = site.run(site.kist.addressed.receive(ANN, kept, "ann/a.txt", Declared(), one(b"through Kist")))
    assert (through.id, site.ann.content(file.id)) == (file.id, b"through Kist")
    assert names(site, site.ann).count(kept) == 0
    assert site.ann.call("GET", f"/v1/buckets/{kept}/objects").status == 404


def test_objects_that_lie_there_already(site: Site, bucket: str) -> None:
    for key in ("a/1.html", "a/2 é.html", "b.html"):
        put_object(site, bucket, key)
    site.ann.call("POST", f"/v1/files?name=file&bucket={bucket}", b"a file of Kist")
    base = f"/v1/buckets/{bucket}/objects"
    page = site.ann.call("GET", f"{base}?limit=2").json
    assert [item["key"] for item in page["items"]] == ["a/1.html", "a/2 é.html"]
    rest = site.ann.call("GET", f"{base}?limit=2&cursor=a/2%20%C3%A9.html").json
    assert ([item["key"] for item in rest["items"]], rest["next"]) == (["b.html"], None)
    whole = site.ann.call("GET", f"{base}/a/1.html")
    assert (whole.status, whole.body) == (200, b"0123456789")
    assert whole.headers["content-disposition"].startswith("attachment")
    assert whole.headers["content-type"] == "application/octet-stream"
    part = site.ann.call("GET", f"{base}/a/2%20%C3%A9.html", range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert site.ann.call("GET", f"{base}/a/1.html", if_none_match=whole.headers["etag"]).status == 304
    assert site.ann.call("HEAD", f"{base}/b.html").headers["content-length"] == "10"
    assert site.ann.call("GET", f"{base}/b.html", range="bytes=10-").status == 416
    for key in (".kist/objects/x", "absent", "a"):
        assert site.ann.call("GET", f"{base}/{key}").status == 404
    assert site.ann.call("GET", f"{base}/a/%2e%2e/b.html").status == 422
    assert site.bob.call("GET", f"{base}/b.html").status == 404
    assert site.ann.call("DELETE", f"{base}/b.html").status == 204
    assert site.ann.call("GET", f"{base}/b.html").status == 404
    assert site.ann.call("DELETE", f"/v1/buckets/{bucket}?confirm={bucket}").status == 409


def test_without_the_policy_a_plain_link_is_refused(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with direct_site("rgw", tmp_path_factory.mktemp("home"), request, signing_key=False) as site:
        kept = site.run(site.kist.buckets.own(f"kept-{uuid.uuid4().hex[:12]}", "syncano"))
        with pytest.raises(UnsafeWay):
            site.run(site.kist.addressed.link(ANN, kept, "ann/a.txt", timedelta(seconds=60)))
