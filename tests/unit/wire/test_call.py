"""Headers, queries and credentials as handlers see them."""

from __future__ import annotations

import base64

import pytest

from kist.errors import Invalid
from kist.wire.call import Call, Headers, Query
from kist.wire.credentials import act_as, any_scheme, bearer_or_basic


def call_with(*headers: tuple[bytes, bytes]) -> Call:
    return Call(method="GET", path="/", headers=Headers(headers))


def test_lines_of_one_header_are_joined() -> None:
    headers = Headers([(b"if-match", b'"a"'), (b"x", b"\xe9"), (b"if-match", b'"b"')])
    assert headers.get("if-match") == '"a", "b"'
    assert headers.all("if-match") == ['"a"', '"b"']
    assert headers.get("x") == "é"
    assert headers.get("y") is None


def test_query_keeps_duplicates_and_blank_values() -> None:
    query = Query(b"a=1&b=&a=%C3%A9+x")
    assert (query.get("a"), query.all("a"), query.get("b"), query.get("c")) == ("1", ["1", "é x"], "", None)
    assert query.names() == ["a", "b"]


@pytest.mark.parametrize("raw", [b"a=%ff", b"a=\xff", b"%80=1", b"&".join(b"a=1" for _ in range(201))])
def test_a_query_that_cannot_be_read_is_invalid(raw: bytes) -> None:
    with pytest.raises(Invalid):
        Query(raw).get("a")


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("Bearer kist_a_b", "kist_a_b"),
        ("bearer   kist_a_b ", "kist_a_b"),
        ("Basic " + base64.b64encode(b"me:kist_a_b").decode(), "kist_a_b"),
        ("Basic " + base64.b64encode(b":a:b").decode(), "a:b"),
        ("Basic !!!", ""),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), ""),
        ("Basic " + base64.b64encode(b"nocolon").decode(), ""),
        ("Digest x", ""),
        ("", ""),
    ],
)
def test_where_the_key_stands(value: str | None, token: str | None) -> None:
    headers = [] if value is None else [(b"authorization", value.encode())]
    assert bearer_or_basic(call_with(*headers)) == token


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("Bearer kist_a_b", "kist_a_b"),
        ("Token  kist_a_b ", "kist_a_b"),
        ("Basic " + base64.b64encode(b"me:kist_a_b").decode(), "kist_a_b"),
        ("kist_a_b", ""),
        ("Basic !!!", ""),
        ("", ""),
    ],
)
def test_a_key_behind_any_word(value: str | None, token: str | None) -> None:
    headers = [] if value is None else [(b"authorization", value.encode())]
    assert any_scheme(call_with(*headers)) == token


def test_two_authorization_lines_are_no_credential() -> None:
    found = bearer_or_basic(call_with((b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")))
    assert found not in ("a", "b", None)


def test_kist_actor_and_content_type() -> None:
    call = call_with((b"kist-actor", b"ann"), (b"content-type", b" Text/HTML ; charset=x"))
    assert act_as(call) == "ann"
    assert call.content_type == "text/html"
    assert call_with().content_type == ""
