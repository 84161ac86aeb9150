"""Links over real HTTP, on disk and S3: who holds the address reads, until it ends, as often as it says."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import urllib3
from tests.acceptance.served import Answer, Site, disk_settings, memory_settings, s3_settings, serving

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
NAME = 'naïve "photo".png'


@pytest.fixture(scope="module", params=["disk", "rgw", "memory"])
def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """In memory nothing is signed, so Kist streams."""
    home = tmp_path_factory.mktemp("home")
    if request.param == "rgw":
        settings = s3_settings(home, request.getfixturevalue("rgw"))
    else:
        settings = disk_settings(home) if request.param == "disk" else memory_settings(home)
    with serving(settings) as site:
        yield site


@pytest.fixture(scope="module")
def visitor() -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager(retries=False, maxsize=100)
    yield pool
    pool.clear()


def link_to(site: Site, data: bytes = PNG, **terms: Any) -> tuple[str, str]:
    """A new file and the address of a link to it."""
    file = site.ann.put(NAME, data, "image/png")["id"]
    made = site.ann.call("POST", "/v1/links", {"files": [file], **terms}).json
    return file, made["links"][file]["url"]


def visit(pool: urllib3.PoolManager, url: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """As a browser goes there: without a key, and on to where it is sent."""
    reply = pool.request(method, url, body=body, headers=headers, redirect=False)
    if reply.status in (302, 303):
        reply = pool.request("GET", reply.headers["location"], redirect=False)
    return Answer(reply.status, reply.headers, reply.data)


def test_a_visitor_gets_the_file_to_save(linked: Site, visitor: urllib3.PoolManager) -> None:
    _, url = link_to(linked)
    answer = visit(visitor, url)
    assert (answer.status, answer.body) == (200, PNG)
    assert answer.headers["content-disposition"].startswith('attachment; filename="na_ve _photo_.png"')
    assert "filename*=UTF-8''na%C3%AFve%20%22photo%22.png" in answer.headers["content-disposition"]


def test_what_is_harmless_is_shown(linked: Site, visitor: urllib3.PoolManager) -> None:
    _, url = link_to(linked, disposition="view")
    shown = visit(visitor, url)
    assert (shown.headers["content-type"], shown.headers["content-disposition"][:6]) == ("image/png", "inline")
    _, url = link_to(linked, b"<html><script>alert(1)</script>", disposition="view")
    assert visit(visitor, url).headers["content-disposition"].startswith("attachment")


def test_the_address_it_leads_to_is_short_lived_and_stays_the_same(linked: Site, visitor: urllib3.PoolManager) -> None:
    _, url = link_to(linked)
    answers = [visitor.request("GET", url, redirect=False) for _ in range(5)]
    if answers[0].status == 200:
        return  # streamed
    targets = {answer.headers["location"] for answer in answers}
    assert len(targets) <= 2, "at most one window ends meanwhile"
    assert {answer.headers["cache-control"] for answer in answers} == {"private, no-store"}
    query = parse_qs(urlsplit(targets.pop()).query)
    assert int(query.get("X-Amz-Expires", ["60"])[0]) <= 60


def test_a_link_for_one_use_is_read_once(linked: Site, visitor: urllib3.PoolManager) -> None:
    _, url = link_to(linked, max_uses=1)
    assert visitor.request("HEAD", url).status == 200, "looking uses nothing up"
    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda _: visit(visitor, url), range(100)))
    assert sorted(answer.status for answer in answers) == [200] + [404] * 99
    for used_up in (url, f"{linked.url}/l/{'A' * 43}"):
        assert visitor.request("HEAD", used_up).status == 404
    assert [answer.body for answer in answers if answer.status == 200] == [PNG]


def test_a_password(linked: Site, visitor: urllib3.PoolManager) -> None:
    _, url = link_to(linked, password="open sesame")
    bare = visitor.request("GET", url, redirect=False)
    assert (bare.status, bare.headers.get("location"), PNG in bare.data) == (401, None, False)
    page = visitor.request("GET", url, headers={"accept": "text/html"}, redirect=False)
    assert (page.status, b'type="password"' in page.data) == (401, True)
    assert "script" not in page.headers["content-security-policy"]
    form = {"content_type": "application/x-www-form-urlencoded"}
    headers = {name.replace("_", "-"): value for name, value in form.items()}
    assert visit(visitor, url, "POST", b"password=open+sesame", **headers).body == PNG
    assert visit(visitor, url, "POST", b"password=wrong", **headers).status == 401
    assert visit(visitor, url, **{"kist-link-password": "open sesame"}).body == PNG


@pytest.mark.parametrize("password", ["Grüße", "тюльпан"])
def test_a_password_in_any_language(linked: Site, visitor: urllib3.PoolManager, password: str) -> None:
    _, url = link_to(linked, password=password)
    sent = password.encode()
    assert visit(visitor, url, **{"kist-link-password": sent.decode("latin-1")}).body == PNG
    basic = f"Basic {b64encode(b':' + sent).decode()}"
    assert visit(visitor, url, authorization=basic).body == PNG
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert visit(visitor, url, "POST", f"password={quote(password)}".encode(), **headers).body == PNG
    if password == "Grüße":
        assert visit(visitor, url, **{"kist-link-password": password}).body == PNG, "as fetch() in a browser sends it"


def test_a_link_that_is_revoked_or_whose_file_is_gone(linked: Site, visitor: urllib3.PoolManager) -> None:
    file, url = link_to(linked)
    (row,) = [row for row in linked.ann.call("GET", "/v1/links").json["items"] if row["url"] == url]
    assert linked.bob.call("DELETE", f"/v1/links/{row['id']}").status == 404
    assert linked.ann.call("DELETE", f"/v1/links/{row['id']}").status == 204
    gone = visit(visitor, url)
    assert (gone.status, gone.body) == (404, visit(visitor, f"{linked.url}/l/{'A' * 43}").body)
    file, url = link_to(linked)
    linked.ann.call("DELETE", f"/v1/files/{file}")
    assert visit(visitor, url).status == 404


def test_foreign_files_get_no_links(linked: Site) -> None:
    mine, theirs = linked.ann.put("a", b"a")["id"], linked.bob.put("b", b"b")["id"]
    made = linked.ann.call("POST", "/v1/links", {"files": [mine, theirs, "none"]})
    assert (made.status, list(made.json["links"])) == (200, [mine])
    assert made.json["errors"][theirs] == made.json["errors"]["none"]
    assert made.json["errors"][theirs]["code"] == "file_missing"


def test_uses_are_told(linked: Site, visitor: urllib3.PoolManager) -> None:
    _, url = link_to(linked)
    for _ in range(3):
        visit(visitor, url)
    (row,) = [row for row in linked.ann.call("GET", "/v1/links").json["items"] if row["url"] == url]
    assert row["uses"] == 3


@pytest.mark.parametrize("seconds", [0, -1, "x", 1.5, 1e400, None, 10**30])
def test_lives_that_make_no_sense(linked: Site, seconds: Any) -> None:
    file = linked.ann.put("a", b"a")["id"]
    text = "1e400" if seconds == 1e400 else None
    asked: Any = {"files": [file], "expires_in": seconds}
    if text is not None:
        asked = f'{{"files": ["{file}"], "expires_in": {text}}}'.encode()
    answer = linked.ann.call("POST", "/v1/links", asked, content_type="application/json")
    assert answer.status == (200 if seconds is None else 422)


def test_public_files_need_no_key(linked: Site) -> None:
    made = linked.ann.call("POST", "/v1/files?name=open.txt&visibility=public-read", b"for all").json
    path = f"/v1/files/{made['id']}"
    answer = linked.nobody.call("GET", f"{path}/content")
    assert (answer.status, answer.body) == (200, b"for all")
    assert linked.nobody.call("GET", path).status == 401
    assert linked.bob.call("GET", path).status == 200
    assert linked.bob.call("PUT", f"{path}/content", b"x").status == 403
    assert linked.nobody.call("GET", f"{path}/content", authorization="Bearer wrong").status == 401
    assert linked.ann.call("PATCH", path, {"visibility": "private"}).json["visibility"] == "private"
    assert linked.nobody.call("GET", f"{path}/content").status == 401
    assert linked.bob.call("GET", path).status == 404
    assert linked.ann.call("PATCH", path, {"visibility": "public-read-write"}).status == 422
