"""Statuses, problems, and the description of a dialect."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from kist import errors
from kist.errors import KistError
from kist.wire.call import Call
from kist.wire.docs_page import docs_reply, render
from kist.wire.openapi import describe
from kist.wire.problems import problem
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Dialect, Needs, Route
from kist.wire.statuses import TITLES, error_headers, retry_after, status_of


def every_error(kind: type[KistError] = KistError) -> list[type[KistError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every_error(child))]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.NotSignedIn, 401), (errors.NotAllowed, 403), (errors.FileMissing, 404), (errors.KeyMissing, 404),
        (errors.WrongMethod, 405), (errors.Clash, 409), (errors.InProgress, 409), (errors.Incomplete, 409),
        (errors.Unsupported, 409), (errors.Stale, 412), (errors.TooLarge, 413), (errors.WrongType, 415),
        (errors.BadRange, 416), (errors.BadName, 422), (errors.TooMany, 429), (errors.OverQuota, 507),
        (errors.StoreFull, 507), (errors.Busy, 503), (errors.CatalogueBusy, 503), (errors.Corrupt, 500),
        (errors.StoreRefused, 500), (errors.Stopped, 503),
    ],
)  # fmt: skip
def test_the_table(kind: type[KistError], status: int) -> None:
    assert status_of(kind("x")) == status_of(kind) == status


def test_every_error_has_a_status_with_a_title() -> None:
    assert all(status_of(kind) in TITLES for kind in every_error())


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.Busy("x"), "1"),
        (errors.TooMany("x", after=7), "7"),
        (errors.TooMany("x", after=1.2), "2"),
        (errors.TooMany("x", after=0), "1"),
        (errors.TooMany("x", after="soon"), "1"),
    ],
)
def test_when_to_come_back(error: KistError, seconds: str) -> None:
    assert retry_after(error) == [("retry-after", seconds)]


def test_headers_that_http_wants() -> None:
    assert retry_after(errors.BadName("x")) == []
    assert error_headers(errors.NotSignedIn("x")) == [("www-authenticate", 'Bearer realm="kist"')]
    assert error_headers(errors.BadRange("x", size=5)) == [("content-range", "bytes */5")]
    assert error_headers(errors.WrongMethod("x", allowed="GET, HEAD")) == [("allow", "GET, HEAD")]


def test_a_problem() -> None:
    reply = problem(errors.TooLarge("too large", limit=5, status=1), Call(method="GET", path="/"))
    assert isinstance(reply.body, bytes)
    assert (reply.status, reply.headers[0]) == (413, ("content-type", "application/problem+json"))
    assert json.loads(reply.body) == {
        "type": "about:blank", "title": "Too large", "status": 413, "code": "too_large", "detail": "too large",
        "limit": 5,
    }  # fmt: skip


class Thing(msgspec.Struct):
    """A <thing>."""

    id: str
    note: str | None = None


class Asked(msgspec.Struct):
    limit: int = 10


async def answer(call: Call, kist: Any) -> Reply:
    return Reply.empty()


DIALECT = Dialect(
    name="toy",
    routes=(
        Route(method="GET", path="/v1/things", handler=answer, name="list", summary="<List>", query=Asked,
              answers=tuple[Thing, ...]),
        Route(method="POST", path="/v1/things", handler=answer, name="make", summary="Make", body=BodyKind.SMALL,
              accepts=Thing, answers=Thing, status=201, needs=Needs.ADMIN, errors=(errors.AlreadyThere,)),
        Route(method="PUT", path="/v1/things/{id}/{key...}", handler=answer, name="fill", summary="Fill",
              body=BodyKind.FILE, answers=bytes),
        Route(method="GET", path="/healthz", handler=answer, name="health", summary="Health", needs=Needs.NOTHING),
    ),
    show_error=problem,
)  # fmt: skip


def test_the_description_says_what_the_routes_say() -> None:
    document = describe(DIALECT, "http://k")
    json.dumps(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "http://k"}]
    things = document["paths"]["/v1/things"]
    assert [p["name"] for p in things["get"]["parameters"]] == ["limit"]
    assert things["post"]["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Thing"
    }
    assert set(things["post"]["responses"]) == {"201", "401", "403", "409", "413", "422", "429"}
    fill = document["paths"]["/v1/things/{id}/{key}"]["put"]
    assert [p["name"] for p in fill["parameters"]] == ["id", "key"]
    assert set(fill["requestBody"]["content"]) == {"multipart/form-data", "*/*"}
    assert document["paths"]["/healthz"]["get"]["security"] == []


def test_every_reference_in_the_description_leads_somewhere() -> None:
    document = describe(DIALECT, "")
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_has_no_script_and_no_foreign_address() -> None:
    page = render(describe(DIALECT, "http://k"))
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in tags.seen}
    assert all(
        name in ("class", "id", "href", "lang", "charset", "name", "content") for _, a in tags.seen for name in a
    )
    assert [a["href"] for _, a in tags.seen if "href" in a] == ["openapi.json"]
    assert "&lt;List&gt;" in page
    assert "A &lt;thing&gt;." in page


def test_the_policy_allows_exactly_the_style_of_the_page() -> None:
    policy = dict(docs_reply(describe(DIALECT, "http://k")).headers)["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
