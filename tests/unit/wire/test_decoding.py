"""Every way of sending broken JSON, queries and base64 ends in one of our errors (T52, T54)."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from kist.errors import Invalid, TooLarge, WrongType
from kist.wire.base64 import body_cap, decode_base64, read_base64
from kist.wire.body import body_of
from kist.wire.call import Call, Headers, Query
from kist.wire.decoding import decode_body, decode_json, decode_query, read_urlencoded


class Inner(msgspec.Struct):
    size: int = 0


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    count: int = 0
    inner: Inner | None = None


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    sort: Literal["name", "-name"] = "name"
    tag: list[str] = []
    open: bool = False
    text: str | None = None


def posting(body: bytes, content_type: bytes = b"application/json") -> Call:
    return Call(method="POST", path="/", headers=Headers([(b"content-type", content_type)]), body=body_of(body))


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty"),
        (b"[" * 100_000, "nested"),
        (b'{"name":' + b"[" * 100_000, "nested"),
        (b'{"name":"a","count":' + b"9" * 5000 + b"}", "digits"),
        (b'{"name":"a","count":1e30}', "int"),
        (b'{"name":"a","name":"b"}', "twice"),
        (b'{"name":"a","inner":{"size":1,"size":2}}', "twice"),
        (b'{"name":"\xff"}', "UTF-8"),
        (b'{"name":"\\ud800"}', "surrogate"),
        (b'{"name":"a","count":NaN}', "NaN"),
        (b'{"name":"a"', "JSON"),
        (b'{"name":"a"}x', "JSON"),
        (b'{"name":1}', "'name'"),
        (b'{"name":"a","inner":{"size":"x"}}', "'inner.size'"),
        (b'{"name":"a","extra":1}', "extra"),
        (b"[]", "object"),
        (b"{}", "name"),
    ],
)
def test_broken_json_is_invalid_and_says_where(raw: bytes, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        decode_json(raw, Shape)


def test_sound_json_is_read() -> None:
    assert decode_json('{"name":"é\\ud83d\\ude00","inner":{"size":3}}'.encode(), Shape) == Shape("é😀", 0, Inner(3))


async def test_the_media_type_decides() -> None:
    assert (await decode_body(posting(b'{"name":"a"}', b"application/merge-patch+json"), Shape)).name == "a"
    with pytest.raises(WrongType):
        await decode_body(posting(b"name=a", b"application/x-www-form-urlencoded"), Shape)


async def test_a_body_above_its_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        await decode_body(posting(b'{"name":"' + b"a" * 100 + b'"}'), Shape, limit=50)
    with pytest.raises(TooLarge):
        await decode_body(posting(b'"' + b"a" * (1 << 20) + b'"'), Shape)


def test_queries_become_typed() -> None:
    assert decode_query(Query(b"limit=5&sort=-name&tag=a&tag=b&open=true&text=12"), Asked) == Asked(
        5, "-name", ["a", "b"], True, "12"
    )


@pytest.mark.parametrize(
    "raw",
    [b"limit=0", b"limit=1e9", b"limit=-1", b"limit=x", b"limit=", b"limit=1&limit=2", b"sort=size", b"open=perhaps",
     b"nope=1", b"limit=" + b"9" * 5000, b"text=%ff"],
)  # fmt: skip
def test_queries_that_do_not_fit_are_invalid(raw: bytes) -> None:
    with pytest.raises(Invalid):
        decode_query(Query(raw), Asked)


async def test_urlencoded_forms() -> None:
    query = await read_urlencoded(posting(b"file_name=a+b.txt", b"application/x-www-form-urlencoded"))
    assert query.get("file_name") == "a b.txt"
    with pytest.raises(WrongType):
        await read_urlencoded(posting(b"{}"))
    with pytest.raises(TooLarge):
        await read_urlencoded(posting(b"a=" + b"b" * (1 << 20), b"application/x-www-form-urlencoded"))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 4096])
def test_base64_comes_back(size: int) -> None:
    content = bytes(i % 256 for i in range(size))
    text = base64.b64encode(content).decode()
    assert decode_base64(text).content == content
    assert decode_base64(f"data:image/png;base64,{text}") == decode_base64(f"data:image/png;base64,{text}")
    assert decode_base64(f"data:image/png;base64,{text}").type == "image/png"
    assert decode_base64(f"data:;base64,{text}").type is None
    assert decode_base64(f"data:text/plain;charset=utf-8;base64,{text}").type == "text/plain"


@pytest.mark.parametrize(
    "text",
    ["!" * 1000, "QQ", "QQ=", "Q=Q=", "QQ==QQ==", "QUJD====", "QUJD\n", "QU JD", "-_-_", "QQ===", "A", "é===",
     "data:image/png,QQ==", "data:a b;base64,QQ==", "data:text/plain;charset=utf-8,QQ=="],
)  # fmt: skip
def test_what_is_not_strict_base64_is_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        decode_base64(text)


async def test_base64_limits() -> None:
    content = base64.b64encode(b"x" * 100).decode()
    with pytest.raises(TooLarge):
        decode_base64(content, limit=99)
    fields, decoded = await read_base64(posting(json.dumps({"name": "a", "content": content}).encode()), limit=100)
    assert (fields.name, len(decoded.content)) == ("a", 100)
    with pytest.raises(TooLarge):
        await read_base64(posting(b" " * (body_cap(100) + 1)), limit=100)
    with pytest.raises(Invalid):
        await read_base64(posting(b'{"name":"a","content":"","more":1}'))
