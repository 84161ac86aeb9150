"""The page that the guide shows for uploads from a browser does what it should, in a real one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.served import Site, disk_settings, s3_settings, serving
from tests.docs.browser import PageServer, browser
from tests.docs.pages import DOCS, Page
from tests.servers.server import S3Server

from kist.model.backend import cors_rule
from kist.service.kist import Kist

(SHOWN,) = Page(DOCS / "how-to" / "direct-uploads.md").blocks("html")
READERS_KIST = "http://127.0.0.1:8000"
LARGE = bytes(range(256)) * (36 << 10)
"""9 MiB: two parts, of which the last is shorter."""


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    """Another origin than Kist's, with a page."""
    browser()
    with closing(PageServer()) as found:
        yield found


@pytest.fixture(scope="module")
def site(server: PageServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Kist on disk that pages of that origin may call."""
    with serving(disk_settings(tmp_path_factory.mktemp("home"), KIST_ORIGINS=server.origin)) as found:
        yield found


def use(server: PageServer, site: Site, data: bytes, profile: Path, *, name: str, type: str, way: str) -> list[str]:
    """What the page says to somebody with the key of ann."""
    page = SHOWN.replace(READERS_KIST, site.url)
    assert page != SHOWN
    return server.use(page, data, profile, name=name, type=type, key=str(site.ann.key), way=way)


def uploaded(site: Site, name: str) -> dict[str, object]:
    (found,) = site.ann.call("GET", f"/v1/files?q={name}").json["items"]
    file: dict[str, object] = found
    return file


@pytest.mark.parametrize("way", ["auto", "form", "put", "parts"])
def test_the_page_that_is_shown_uploads_by_every_way(server: PageServer, site: Site, way: str, tmp_path: Path) -> None:
    name = f"{way}.bin"
    said = use(server, site, LARGE, tmp_path, name=name, type="application/octet-stream", way=way)
    steps = ["part 1 of 2", "part 2 of 2"] if way == "parts" else []
    assert said == ["sending", *steps, f"{name}: {len(LARGE)} bytes"]
    file = uploaded(site, name)
    assert (file["size"], file["type"]) == (len(LARGE), "application/octet-stream")
    assert site.ann.content(str(file["id"])) == LARGE


def test_the_page_that_is_shown_says_why_it_was_refused(server: PageServer, site: Site, tmp_path: Path) -> None:
    said = use(server, site, b"x", tmp_path, name="a/../b", type="text/plain", way="auto")
    assert re.fullmatch(r'Error: 422 .*"code":"bad_name".*', said[-1])


def test_the_page_that_is_shown_uploads_to_a_real_s3_server(server: PageServer, rgw: S3Server, tmp_path: Path) -> None:
    async def prepare(kist: Kist) -> None:
        """What ``kist doctor --fix`` does."""
        await kist._ports.store.set_cors(settings.bucket, [cors_rule(settings.origins)])  # type: ignore[attr-defined]
        await kist.ways.probe()

    settings = s3_settings(tmp_path / "home", rgw, KIST_ORIGINS=server.origin)
    with serving(settings, prepare=prepare) as site:
        said = use(server, site, LARGE, tmp_path / "profile", name="a.txt", type="text/plain", way="auto")
        assert said == ["sending", f"a.txt: {len(LARGE)} bytes"]
        file = uploaded(site, "a.txt")
        assert (file["size"], file["type"], file["sha256"]) == (len(LARGE), "text/plain", None)
        assert site.ann.content(str(file["id"])) == LARGE


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_where_there_is_no_browser_only_ci_fails(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no chromium"):
        browser()


def test_the_page_that_is_shown_is_short() -> None:
    assert len(SHOWN.splitlines()) < 40
