"""What a download answers: status, bytes and fences (T41 to T46)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from kist.errors import BadRange, Stale
from kist.model.content import Opened, Span, Stored
from kist.model.file import File, FileState
from kist.wire.call import Call, Headers
from kist.wire.download import declared_type, plan_download

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SHA = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def file(**fields: object) -> File:
    base: dict[str, object] = {
        "id": "f1", "name": "a/b.png", "owner": "ann", "bucket": "base", "key": ".kist/objects/1", "size": 100,
        "state": FileState.READY, "created_at": AT, "updated_at": AT, "type": "image/png", "detected": "image/png",
        "sha256": SHA,
    }  # fmt: skip
    return File(**{**base, **fields})  # type: ignore[arg-type]


def get(method: str = "GET", **headers: str) -> Call:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Call(method=method, path="/", headers=Headers(pairs))


def header(headers: list[tuple[str, str]], name: str) -> str | None:
    return dict(headers).get(name)


def test_the_whole_content_with_its_fences() -> None:
    plan = plan_download(get(), file())
    headers = dict(plan.headers)
    assert (plan.reply, plan.span, plan.status, plan.length) == (None, None, 200, 100)
    assert headers == {
        "etag": f'"{SHA}"',
        "last-modified": "Fri, 20 Nov 2026 12:00:00 GMT",
        "cache-control": "private, no-cache",
        "content-type": "image/png",
        "content-disposition": 'attachment; filename="b.png"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cross-origin-resource-policy": "same-site",
        "repr-digest": "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:",
    }


async def test_a_range_of_it() -> None:
    plan = plan_download(get(range="bytes=10-19"), file())
    assert (plan.span, plan.status, plan.length) == (Span(10, 20), 206, 10)
    assert header(plan.headers, "content-range") == "bytes 10-19/100"
    closed = []

    async def blocks() -> AsyncIterator[bytes]:
        yield b"x" * 10

    async def close() -> None:
        closed.append(1)

    stored = Stored(place=file().place, size=100, etag="e", modified=AT)
    reply = plan.reply_with(Opened(stored, plan.span, blocks(), close))
    assert (reply.status, reply.length) == (206, 10)
    assert reply.close is not None
    await reply.close()
    assert closed == [1]


def test_head_answers_as_get_would_without_its_range() -> None:
    whole, head = plan_download(get(), file()), plan_download(get("HEAD", range="bytes=0-1"), file())
    assert head.reply is not None
    assert (head.reply.status, head.reply.length, head.reply.headers) == (200, 100, whole.headers)


def test_conditions_go_before_ranges() -> None:
    same = plan_download(get(if_none_match=f'W/"{SHA}"', range="bytes=500-"), file())
    assert same.reply is not None
    assert (same.reply.status, header(same.reply.headers, "etag")) == (304, f'"{SHA}"')
    assert plan_download(get(if_none_match='"other"'), file()).reply is None
    with pytest.raises(Stale):
        plan_download(get(if_match='"other"', range="bytes=500-"), file())
    assert plan_download(get(if_match=f'"x", "{SHA}"'), file()).status == 200


def test_a_range_of_another_version_gets_the_whole() -> None:
    assert plan_download(get(range="bytes=0-1", if_range='"other"'), file()).status == 200
    assert plan_download(get(range="bytes=0-1", if_range=f'"{SHA}"'), file()).status == 206


def test_ranges_outside() -> None:
    with pytest.raises(BadRange):
        plan_download(get(range="bytes=100-"), file())
    with pytest.raises(BadRange):
        plan_download(get(range="bytes=-5"), file(size=0))
    assert plan_download(get(), file(size=0)).length == 0


def test_inline_is_judged_by_the_bytes() -> None:
    page = plan_download(get(), file(detected="text/html", type="image/png", name="x.png"), inline=True)
    assert header(page.headers, "content-disposition") == 'attachment; filename="x.png"'
    picture = plan_download(get(), file(detected="image/gif", type="text/html"), inline=True)
    assert header(picture.headers, "content-type") == "image/gif"
    assert (header(picture.headers, "content-disposition") or "").startswith("inline")
    unknown = plan_download(get(), file(detected=None), inline=True)
    assert (header(unknown.headers, "content-disposition") or "").startswith("attachment")


@pytest.mark.parametrize("declared", ["", "text", "text/html\r\nX: 1", "a/b/c", "text/é", "x" * 300 + "/y"])
def test_a_declared_type_that_is_none_says_nothing(declared: str) -> None:
    assert declared_type(declared) == "application/octet-stream"


def test_a_declared_type_may_have_parameters() -> None:
    assert declared_type("text/csv; charset=utf-8") == "text/csv; charset=utf-8"


def test_without_a_checksum_no_digest_is_claimed() -> None:
    plan = plan_download(get(), file(sha256=None))
    assert header(plan.headers, "repr-digest") is None
    assert header(plan.headers, "etag") == '"f1-1"'
