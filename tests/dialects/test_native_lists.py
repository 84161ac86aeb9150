"""Lists in the native API: pages, orders, filters, search; and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from tests.acceptance.served import Client, Site

HEBREW = "\u05e9\u05dc\u05d5\u05dd"
NAMES = ["Bericht.pdf", "a%b_c", "b/c.txt", "caf\u00e9", "\u65e5\u672c\u8a9e.txt", HEBREW, "\U0001f600.png"]


@pytest.fixture(scope="module")
def ann(site: Site) -> Client:
    for number, name in enumerate(NAMES):
        site.ann.put(name, b"x" * (number % 3), "text/plain" if name.endswith("txt") else "image/png")
    site.bob.put("bobs", b"1")
    return site.ann


def listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = client.call("GET", f"/v1/files?{query}{cursor}")
        assert answer.status == 200, answer.body
        items += answer.json["items"]
        if answer.json["next"] is None:
            return items
        cursor = f"&cursor={answer.json['next']}"


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("sort", ["name", "-name", "size", "-size", "created_at", "-created_at"])
def test_pages_in_each_order_hold_every_file_once(ann: Client, sort: str, limit: int) -> None:
    found = listed(ann, f"sort={sort}&limit={limit}")
    key = sort.lstrip("-")
    values = [(item[key].encode() if key == "name" else item[key], item["id"]) for item in found]
    assert values == sorted(values, reverse=sort.startswith("-"))
    assert sorted(item["name"] for item in found) == sorted(NAMES)


def test_filters_and_search(ann: Client) -> None:
    def names(query: str) -> set[str]:
        return {item["name"] for item in listed(ann, query)}

    assert names("q=BERICHT") == {"Bericht.pdf"}
    assert names("q=cafe%CC%81") == {"caf\u00e9"}
    assert names("q=%25") == names("q=_c") == {"a%b_c"}
    assert names("q=%E6%9C%AC") == {"\u65e5\u672c\u8a9e.txt"}
    assert names("type=text/plain") == {"b/c.txt", "\u65e5\u672c\u8a9e.txt"}
    assert names("owner=bob") == set()
    assert names("owner=ann&bucket=kist") == set(NAMES)
    assert names("bucket=other") == set()


def test_an_admin_sees_all_and_may_narrow(site: Site, ann: Client) -> None:
    assert {item["owner"] for item in listed(site.admin)} == {"ann", "bob"}
    assert {item["name"] for item in listed(site.admin, "owner=bob")} == {"bobs"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=1e9",
        "limit=x",
        "sort=owner",
        "sort=--name",
        "cursor=x",
        "a=1",
        "q=%FF",
    ],
)
def test_what_makes_no_sense_is_refused(ann: Client, query: str) -> None:
    answer = ann.call("GET", f"/v1/files?{query}")
    assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_cursor_belongs_to_its_order(ann: Client) -> None:
    cursor = ann.call("GET", "/v1/files?limit=1&sort=name").json["next"]
    assert ann.call("GET", f"/v1/files?sort=size&cursor={cursor}").status == 422
    assert ann.call("GET", f"/v1/files?sort=-name&cursor={cursor}").status == 422
