"""The crash matrix on a real S3 server: a server dies while its store is in the middle of something.

A proxy before the S3 server says where: a request that goes nowhere is the moment before it, one that is carried out
and never answered the moment after it. The letters are those of ``test_crash_points``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.rig.client import Answer
from tests.faults.rig.process import serving
from tests.faults.rig.proxy import Fault, Kind, Proxy, proxying
from tests.faults.rig.site import OLD, Site, s3_site
from tests.servers.server import S3Server

SMALL = b"new content " * 1000
LARGE = b"new content " * 1_500_000  # three parts

WHOLE = [
    pytest.param(Kind.BLACK_HOLE, r"^PUT .*\.kist/objects/", id="P1 before the put"),
    pytest.param(Kind.HELD, r"^PUT .*\.kist/objects/", id="P6 put, answer lost"),
]
IN_PARTS = [
    pytest.param(Kind.BLACK_HOLE, r"^POST .*\?uploads", id="P1 before the multipart upload"),
    pytest.param(Kind.HELD, r"^POST .*\?uploads", id="P2 its id is not known"),
    pytest.param(Kind.HELD, r"^PUT .*partNumber=2", id="P3 some parts"),
    pytest.param(Kind.BLACK_HOLE, r"^POST .*\?uploadId=", id="P4 all parts"),
    pytest.param(Kind.HELD, r"^POST .*\?uploadId=", id="P5 joined, answer lost"),
]


@pytest.fixture
def proxy(rgw: S3Server) -> Iterator[Proxy]:
    with proxying(rgw.endpoint) as proxy:
        yield proxy


@pytest.fixture
def site(rgw: S3Server, proxy: Proxy, tmp_path: Path) -> Site:
    site = s3_site(tmp_path / "home", rgw, through=proxy.url)
    site.fill()
    return site


def check_recovery(site: Site, contents: dict[str, bytes]) -> None:
    assert site.violations(settled=False) == []
    site.recover()
    assert site.violations() == []
    assert site.recover() == 0
    assert site.contents() == contents


def kill_when_met(site: Site, proxy: Proxy, data: bytes, *, replaces: bool) -> None:
    answers: list[Answer | None] = []
    with serving(site.settings) as server:
        client = site.client(server.url)

        def ask() -> None:
            answers.append(client.replace(site.kept, data) if replaces else client.put("new", data, chunked=True))

        asking = threading.Thread(target=ask)
        asking.start()
        proxy.wait_until_met()
        server.kill()
        asking.join()
    proxy.heal()
    assert answers == [None]


def test_sound(site: Site) -> None:
    """Without a crash, so that the others mean something."""
    with serving(site.settings) as server:
        client = site.client(server.url)
        for name, data in (("small", SMALL), ("large", LARGE)):
            answer = client.put(name, data)
            assert answer is not None
            assert answer.status == 201
        assert server.stop() == 0
    check_recovery(site, {"kept": OLD, "small": SMALL, "large": LARGE})


@pytest.mark.parametrize(("kind", "request_"), WHOLE)
@pytest.mark.parametrize("replaces", [False, True], ids=["put", "replace"])
def test_cut_off(site: Site, proxy: Proxy, kind: Kind, request_: str, replaces: bool) -> None:
    proxy.add(Fault(kind, request_))
    kill_when_met(site, proxy, SMALL, replaces=replaces)
    check_recovery(site, {"kept": OLD})


@pytest.mark.parametrize(("kind", "request_"), IN_PARTS)
@pytest.mark.parametrize("replaces", [False, True], ids=["put", "replace"])
def test_cut_off_in_parts(site: Site, proxy: Proxy, kind: Kind, request_: str, replaces: bool) -> None:
    proxy.add(Fault(kind, request_))
    kill_when_met(site, proxy, LARGE, replaces=replaces)
    check_recovery(site, {"kept": OLD})


@pytest.mark.parametrize(
    ("point", "contents"),
    [
        pytest.param("store.put:after:1", {"kept": OLD}, id="P6 bytes, not ready"),
        pytest.param("catalogue.commit:after:2", {"kept": OLD, "new": LARGE}, id="P7 ready"),
    ],
)
def test_cut_off_at_a_point(site: Site, point: str, contents: dict[str, bytes]) -> None:
    with serving(site.settings, failpoints=f"{point}:kill") as server:
        assert site.client(server.url).put("new", LARGE) is None
        assert server.wait_killed()
    check_recovery(site, contents)


@pytest.mark.parametrize("point", ["store.erase:before:1", "store.erase:after:1"])
def test_erasure_cut_off(site: Site, point: str) -> None:
    """X5."""
    with serving(site.settings, "--grace", "0", "--every", "0.2", failpoints=f"{point}:kill") as server:
        answer = site.client(server.url).remove(site.kept)
        assert server.wait_killed()
    assert answer is None or answer.status == 204
    check_recovery(site, {})
