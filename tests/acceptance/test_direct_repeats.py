"""The same request for a ticket, sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.served import Site, disk_settings, serving


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(disk_settings(tmp_path_factory.mktemp("home"))) as site:
        yield site


def asked(site: Site, key: str, **body: Any) -> Any:
    return site.ann.call("POST", "/v1/uploads", {"size": 5} | body, idempotency_key=key)


def test_a_repeat_is_the_same_upload(site: Site) -> None:
    first, again = (asked(site, "one", name="a.txt") for _ in range(2))
    assert (first.status, again.status, again.json["id"]) == (201, 201, first.json["id"])


def test_a_replacement_too(site: Site) -> None:
    file = site.ann.put("old.txt", b"old")["id"]
    first, again = (asked(site, "two", file=file) for _ in range(2))
    assert (first.status, again.status, again.json["id"]) == (201, 201, first.json["id"])


def test_another_request_is_never_taken_for_a_repeat(site: Site) -> None:
    """Also one of the same length: its bytes would become the content of another file."""
    assert asked(site, "three", name="a.txt").status == 201
    for other in ({"name": "b.txt"}, {"name": "a.txt", "size": 6}):
        answer = asked(site, "three", **other)
        assert (answer.status, answer.json["code"]) == (422, "invalid")
    mine, other = (site.ann.put(name, b"old")["id"] for name in ("c.txt", "d.txt"))
    assert asked(site, "four", file=mine).status == 201
    assert asked(site, "four", file=other).status == 422
