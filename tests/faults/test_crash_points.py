"""The crash matrix on disk: a server dies by SIGKILL at each point of an upload, a replacement and a removal.

After a new start and the chores the checker finds nothing, and what the request asked for has happened wholly or not
at all, by where it was cut off. P and X are the rows of the matrix in the threats: before (P0) and after (P1) the
rows are committed, while bytes come (P3, P4), when they are there (P6), when the file is ready (P7), when the client
knows (P8); a replacement before (X1) and after (X2) its swap, a removal (X4), an erasure (X5).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faults.rig.client import Answer, NoAnswer
from tests.faults.rig.process import serving
from tests.faults.rig.site import OLD, Site, disk_site

NEW = b"new content " * 300_000

UNTIL_READY = [
    pytest.param("catalogue.commit:before:1", id="P0 before the rows"),
    pytest.param("catalogue.commit:after:1", id="P1 rows, no bytes"),
    pytest.param("store.put:before:1", id="P1 before the put"),
    pytest.param("store.put:during:1", id="P3 first block"),
    pytest.param("store.put:during:6", id="P3 some blocks"),
    pytest.param("store.put:after:1", id="P6 bytes, not ready"),
    pytest.param("catalogue.commit:before:2", id="P6 before ready"),
]
READY = "catalogue.commit:after:2"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = disk_site(tmp_path_factory.mktemp("filled") / "home")
    site.fill()
    return site


@pytest.fixture
def site(filled: Site, tmp_path: Path) -> Site:
    return filled.copied(tmp_path / "home")


def test_sound(site: Site) -> None:
    """Without a crash, so that the others mean something."""
    with serving(site.settings) as server:
        client = site.client(server.url)
        put = client.put("new", NEW)
        assert put is not None
        assert put.status == 201
        assert client.replace(site.kept, NEW, chunked=True) is not None
        assert client.remove(put.json["id"]) is not None
        assert server.stop() == 0
    check_recovery(site, {"kept": NEW})


def check_recovery(site: Site, contents: dict[str, bytes]) -> None:
    """Whatever a crash left is sound as it is, is tidied up by the chores once, and the files are as expected."""
    assert site.violations(settled=False) == []
    site.recover()
    assert site.violations() == []
    assert site.recover() == 0
    assert site.contents() == contents


@pytest.mark.parametrize("point", UNTIL_READY)
def test_put_cut_off(site: Site, point: str) -> None:
    with serving(site.settings, failpoints=f"{point}:kill") as server:
        assert site.client(server.url).put("new", NEW, chunked=True) is None
        assert server.wait_killed()
    check_recovery(site, {"kept": OLD})


def test_put_cut_off_when_ready(site: Site) -> None:
    """P7: nobody was told, but the same request again gets the one file."""
    with serving(site.settings, failpoints=f"{READY}:kill") as server:
        assert site.client(server.url).put("new", NEW, repeat="once") is None
        assert server.wait_killed()
    with serving(site.settings) as server:
        again = site.client(server.url).call("POST", "/v1/files?name=new", NEW, {"Idempotency-Key": "once"})
        assert again.status == 201
    check_recovery(site, {"kept": OLD, "new": NEW})


def test_put_cut_off_and_repeated(site: Site) -> None:
    """The key of a request that died is free again when its upload has been ended."""
    with serving(site.settings, "--lease", "1", failpoints="store.put:after:1:kill") as server:
        assert site.client(server.url).put("new", NEW, repeat="once") is None
        assert server.wait_killed()
    with serving(site.settings, "--every", "0.2") as server:
        client, again = site.client(server.url), None
        while again is None or again.status == 409:
            again = client.call("POST", "/v1/files?name=new", NEW, {"Idempotency-Key": "once"})
        assert again.status == 201
    check_recovery(site, {"kept": OLD, "new": NEW})


def test_put_acknowledged(site: Site) -> None:
    """P8."""
    with serving(site.settings) as server:
        answer = site.client(server.url).put("new", NEW)
        server.kill()
    assert answer is not None
    assert answer.status == 201
    check_recovery(site, {"kept": OLD, "new": NEW})


@pytest.mark.parametrize("point", UNTIL_READY)
def test_replacement_cut_off(site: Site, point: str) -> None:
    """X1 and before."""
    with serving(site.settings, failpoints=f"{point}:kill") as server:
        assert site.client(server.url).replace(site.kept, NEW, chunked=True) is None
        assert server.wait_killed()
    check_recovery(site, {"kept": OLD})


def test_replacement_cut_off_after_its_swap(site: Site) -> None:
    """X2: the new content is there, the old one goes when its time has come."""
    with serving(site.settings, failpoints=f"{READY}:kill") as server:
        assert site.client(server.url).replace(site.kept, NEW, chunked=True) is None
        assert server.wait_killed()
    check_recovery(site, {"kept": NEW})


@pytest.mark.parametrize(("moment", "left"), [("before", {"kept": OLD}), ("after", {})])
def test_removal_cut_off(site: Site, moment: str, left: dict[str, bytes]) -> None:
    """X4."""
    with serving(site.settings, failpoints=f"catalogue.commit:{moment}:1:kill") as server:
        assert site.client(server.url).remove(site.kept) is None
        assert server.wait_killed()
    check_recovery(site, left)


@pytest.mark.parametrize("point", ["store.erase:before:1", "store.erase:after:1", "catalogue.commit:after:2"])
def test_erasure_cut_off(site: Site, point: str) -> None:
    """X5: bytes are erased before their row goes, and erasing them again is fine."""
    with serving(site.settings, "--grace", "0", "--every", "0.2", failpoints=f"{point}:kill") as server:
        answer = site.client(server.url).remove(site.kept)
        assert server.wait_killed()
    assert answer is None or answer.status == 204
    check_recovery(site, {})


@pytest.mark.parametrize("point", ["catalogue.commit:before:1", "catalogue.commit:after:1", "store.clear:after:1"])
def test_expiry_cut_off(site: Site, point: str) -> None:
    """What ends and tidies up an upload that was cut off may be cut off itself."""
    with serving(site.settings, "--lease", "0.1") as server:

        def kill_when_written() -> Iterator[bytes]:
            yield NEW[:2_000_000]
            while not any((site.home / "objects" / ".tmp").iterdir()):
                yield b"and more"
            server.kill()

        headers = {"Transfer-Encoding": "chunked"}
        with pytest.raises(NoAnswer):
            site.client(server.url).call("POST", "/v1/files?name=never", kill_when_written(), headers)
    assert any((site.home / "objects" / ".tmp").iterdir())
    with serving(site.settings, "--every", "0.1", failpoints=f"{point}:kill") as server:
        assert server.wait_killed()
    check_recovery(site, {"kept": OLD})


@pytest.mark.parametrize("point", [*UNTIL_READY, pytest.param(READY, id="P7 ready")])
def test_put_that_meets_an_error(site: Site, point: str) -> None:
    """An error instead of a crash: the client is told, the server goes on and has tidied up by itself."""
    with serving(site.settings, "--every", "0.1", failpoints=f"{point}:raise") as server:
        client = site.client(server.url)
        failed = client.put("new", NEW, chunked=True)
        assert failed is not None
        check_refusal(failed)
        good = client.put("other", NEW)
        assert good is not None
        assert good.status == 201
        assert server.stop() == 0
    made = {"new": NEW} if point == READY else {}
    check_recovery(site, {"kept": OLD, "other": NEW, **made})


@pytest.mark.parametrize("point", [*UNTIL_READY, pytest.param(READY, id="X2 swapped")])
def test_replacement_that_meets_an_error(site: Site, point: str) -> None:
    with serving(site.settings, failpoints=f"{point}:raise") as server:
        failed = site.client(server.url).replace(site.kept, NEW, chunked=True)
        assert failed is not None
        check_refusal(failed)
        assert server.stop() == 0
    check_recovery(site, {"kept": NEW if point == READY else OLD})


def check_refusal(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("point", [UNTIL_READY[1], UNTIL_READY[4], UNTIL_READY[5], pytest.param(READY, id="P7 ready")])
def test_put_that_hangs(site: Site, point: str) -> None:
    """The client loses patience; others are served meanwhile; a kill ends it."""
    with serving(site.settings, failpoints=f"{point}:hang") as server, ThreadPoolExecutor(1) as beside:
        client = site.client(server.url)
        put = beside.submit(client.put, "new", NEW, chunked=True)
        server.wait_said(f"failpoint {point}:hang")
        client.leave()
        assert put.result() is None
        assert site.client(server.url).content(site.kept).body == OLD
        server.kill()
    check_recovery(site, {"kept": OLD, "new": NEW} if point == READY else {"kept": OLD})
