"""What only real S3 servers can show: that signatures are enforced, and what happens when something is wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import urllib3
from tests.contract.s3_ground import blocking, in_loop, new_bucket, settings_for, shared_bucket
from tests.servers.server import S3Server

from kist.drive import drive
from kist.errors import AlreadyThere, ClockSkew, StoreRefused, StoreUnavailable
from kist.model.content import FormLimits, PutRules, SignedForm, SignedRequest
from kist.model.place import Place
from kist.stores.s3 import CopyLimits, S3Store, assemble
from kist.stores.s3.transport_async import AsyncTransport
from kist.system import SystemClock, SystemIds
from kist.testing.ground import MIB, Ground, content, ground, in_blocks

HOUR = timedelta(hours=1)
PLAIN = (("content-type", "text/plain"), ("content-length", "5"))


@pytest.fixture(params=["rgw", "ministack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def store(server: S3Server) -> AsyncIterator[S3Store]:
    store = in_loop(server)
    yield store
    await store.close()


@pytest.fixture
async def here(store: S3Store, server: S3Server) -> AsyncIterator[Ground]:
    async with ground(store, shared_bucket(server)) as here:
        yield here


async def fetch(method: str, url: str, headers: Any = (), body: bytes | None = None) -> urllib3.BaseHTTPResponse:
    """As a browser would: without credentials."""
    return await asyncio.to_thread(
        urllib3.request, method, url, headers=dict(headers), body=body, redirect=False, retries=False
    )


async def send(signed: SignedRequest, body: bytes | None = None, **changed: str) -> int:
    headers = {name: changed.get(name.replace("-", "_"), value) for name, value in signed.headers}
    return (await fetch(signed.method, signed.url, headers, body)).status


async def post(form: SignedForm, body: bytes, **changed: str) -> int:
    fields = {**dict(form.fields), **changed}
    encoded, kind = urllib3.encode_multipart_formdata({**fields, "file": ("any.txt", body, "text/plain")})
    return (await fetch("POST", form.url, {"content-type": kind}, encoded)).status


async def test_a_presigned_get_gives_the_bytes_and_nothing_else(store: S3Store, here: Ground) -> None:
    await here.put("a b+ü%.txt", b"hello", "text/plain")
    await here.put("other", b"other")
    query = [("response-content-disposition", 'attachment; filename="x y.txt"'), ("response-content-type", "a/b")]
    signed = store.sign("GET", here.place("a b+ü%.txt"), HOUR, query=query)
    answer = await fetch("GET", signed.url)
    assert (answer.status, answer.data) == (200, b"hello")
    assert answer.headers["content-disposition"] == 'attachment; filename="x y.txt"'
    assert answer.headers["content-type"] == "a/b"
    wrong = store.sign("GET", here.place("other"), HOUR).url.partition("?")[0] + "?" + signed.url.partition("?")[2]
    for method, url in (("PUT", signed.url), ("DELETE", signed.url), ("GET", wrong)):
        assert (await fetch(method, url)).status == 403
    assert (await fetch("GET", signed.url.replace("a%2Fb", "text%2Fhtml"))).status == 403


async def test_a_presigned_put_takes_what_was_signed_only(store: S3Store, here: Ground) -> None:
    signed = store.sign("PUT", here.place("up"), HOUR, headers=PLAIN)
    assert await send(signed, b"hello", content_type="text/html") == 403
    assert await send(signed, b"longer than that", content_length="16") == 403
    assert (await fetch("PUT", signed.url.replace("/up?", "/down?"), signed.headers, b"hello")).status == 403
    assert await here.names() == []
    assert await send(signed, b"hello") == 200
    assert await here.get("up") == b"hello"
    assert (await store.head(here.place("up"))).type == "text/plain"


async def test_a_presigned_part_is_that_part_only(store: S3Store, here: Ground) -> None:
    place = here.place("parts")
    parts_id = await store.start_parts(place, PutRules(type="a/b"))
    query = [("partNumber", "1"), ("uploadId", parts_id)]
    signed = store.sign("PUT", place, HOUR, headers=[("content-length", "5")], query=query)
    assert (
        await fetch("PUT", signed.url.replace("partNumber=1", "partNumber=2"), signed.headers, b"hello")
    ).status == 403
    assert await send(signed, b"hello") == 200
    parts = [part async for part in store.parts(place, parts_id)]
    assert [(part.number, part.size) for part in parts] == [(1, 5)]
    await store.finish_parts(place, parts_id, parts)
    assert await here.get("parts") == b"hello"


async def test_a_form_takes_what_was_signed_only(store: S3Store, here: Ground) -> None:
    limits = FormLimits(min_size=2, max_size=5, fields=(("Content-Type", "text/plain"), ("acl", "private")))
    form = store.sign_form(here.place("a form's ü.txt"), HOUR, limits)
    assert await post(form, b"longer than that") in (400, 403)
    assert await post(form, b"1") in (400, 403)
    assert await post(form, b"hello", key=here.prefix + "other") == 403
    assert await post(form, b"hello", **{"Content-Type": "text/html"}) == 403
    assert await post(form, b"hello", acl="public-read") == 403
    assert await post(form, b"hello", **{"x-amz-meta-e": "e"}) == 403
    assert await here.names() == []
    assert await post(form, b"hello") == 204
    assert await here.get("a form's ü.txt") == b"hello"
    assert (await store.head(here.place("a form's ü.txt"))).type == "text/plain"


async def test_tickets_are_signed_with_the_signing_key_for_the_public_endpoint(server: S3Server) -> None:
    public = "https://files.example"
    store = in_loop(server, signing_key="SIGNER", signing_secret="its secret", public_endpoint=public)
    async with ground(store, shared_bucket(server)) as here:
        await here.put("one", b"hello")  # the main key still does the work
        signed = store.sign("PUT", here.place("one"), HOUR)
        assert signed.url.startswith(f"https://files.example/{here.bucket}/")
        assert "X-Amz-Credential=SIGNER%2F" in signed.url
        assert "X-Amz-Credential=SIGNER%2F" not in store.sign("GET", here.place("one"), HOUR).url, "it may not read"
        assert (await fetch("PUT", signed.url.replace("https://files.example", server.endpoint))).status == 403
    await store.close()


async def test_large_objects_are_copied_in_parts(server: S3Server) -> None:
    transport = AsyncTransport(connect_timeout=2, read_timeout=10)
    limits = CopyLimits(whole=6 * MIB, part=5 * MIB)
    store = assemble(settings_for(server), transport, SystemClock(), SystemIds(), copy_limits=limits)
    async with ground(store, shared_bucket(server)) as here:
        data = content(11 * MIB)
        await here.put("source ü", data, "text/plain")
        copied = await store.copy(here.place("source ü"), here.place("target"), PutRules(type="a/b"))
        assert (copied.size, copied.etag[-2:], copied.type) == (len(data), "-3", "a/b")
        assert await here.get("target") == data
        assert [each async for each in store.open_parts(here.bucket, here.prefix)] == []
    await store.close()


async def test_many_may_finish_at_once(store: S3Store, here: Ground) -> None:
    place = here.place("raced")
    parts_id = await store.start_parts(place, PutRules())
    parts = [await store.put_part(place, parts_id, number, content(5 * MIB, number)) for number in (1, 2)]
    made = await asyncio.gather(*[store.finish_parts(place, parts_id, parts) for _ in range(8)])
    assert {(each.size, each.etag) for each in made} == {(10 * MIB, made[0].etag)}
    assert await here.get("raced") == content(5 * MIB, 1) + content(5 * MIB, 2)


async def test_a_body_damaged_on_its_way_is_never_kept(here: Ground, server: S3Server) -> None:
    store = in_loop(server)
    store._sender._transport = _Flips(store._sender._transport)
    for size in (1000, 9 * MIB):
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.put(here.place("one"), in_blocks(content(size)), PutRules())
    assert await here.names() == []
    await store.close()


async def test_a_wrong_secret_is_named(server: S3Server) -> None:
    store = in_loop(server, secret="not the secret")
    place = Place(shared_bucket(server), "one")
    for attempt in (
        store.put(place, in_blocks(b"x"), PutRules()),
        store.put(place, in_blocks(content(9 * MIB)), PutRules()),
    ):
        with pytest.raises(StoreRefused, match="KIST_S3_SECRET"):
            await attempt
    with pytest.raises(StoreRefused):
        await store.head(place)
    await store.close()


async def test_an_unknown_key_is_named(server: S3Server) -> None:
    store = in_loop(server, key="nobody")
    with pytest.raises(StoreRefused, match="KIST_S3_KEY"):
        await store.buckets()
    await store.close()


def test_a_wrong_secret_is_named_without_a_loop(server: S3Server) -> None:
    store = blocking(server, secret="not the secret")
    with pytest.raises(StoreRefused, match="KIST_S3_SECRET"):
        drive(store.put(Place(shared_bucket(server), "one"), in_blocks(content(9 * MIB)), PutRules()))
    drive(store.close())


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_a_wrong_clock_is_named(rgw: S3Server, minutes: int) -> None:
    store = in_loop(rgw, clock=_Off(timedelta(minutes=minutes)))
    place = Place(shared_bucket(rgw), "one")
    for attempt in (store.put(place, in_blocks(b"x"), PutRules()), store.head(place), store.buckets()):
        with pytest.raises(ClockSkew, match="ahead of" if minutes > 0 else "behind") as caught:
            await attempt
        offset = caught.value.about["offset"]
        assert isinstance(offset, int)
        assert abs(offset - minutes * 60) < 10
    await store.close()


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_clock_that_is_a_little_off_works(rgw: S3Server, minutes: int) -> None:
    store = in_loop(rgw, clock=_Off(timedelta(minutes=minutes)))
    async with ground(store, shared_bucket(rgw)) as here:
        await here.put("one", b"hello")
        assert await here.get("one") == b"hello"
    await store.close()


async def test_the_bucket_in_the_host_name(rgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_below_localhost(monkeypatch)
    endpoint = rgw.endpoint.replace("127.0.0.1", "localhost")
    store = in_loop(rgw, endpoint=endpoint, style="host")
    bucket = new_bucket(rgw)
    async with ground(store, bucket) as here:
        await here.put("a b+ü%.txt", content(9 * MIB))
        assert await here.get("a b+ü%.txt") == content(9 * MIB)
        assert await here.names() == ["a b+ü%.txt"]
        await store.copy(here.place("a b+ü%.txt"), here.place("copy"), PutRules())
        signed = store.sign("GET", here.place("a b+ü%.txt"), HOUR)
        assert signed.url.startswith(f"http://{bucket}.localhost:")
        assert (await fetch("GET", signed.url)).data == content(9 * MIB)
        form = store.sign_form(here.place("form"), HOUR, FormLimits(max_size=5))
        assert await post(form, b"hello") == 204
    await store.drop_bucket(bucket)
    await store.close()


def test_the_bucket_in_the_host_name_without_a_loop(rgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_below_localhost(monkeypatch)
    store = blocking(rgw, endpoint=rgw.endpoint.replace("127.0.0.1", "localhost"), style="host")
    place = Place(shared_bucket(rgw), "in-the-host")
    assert drive(store.put(place, in_blocks(b"hello"), PutRules())) == drive(store.head(place))
    drive(store.erase(place))
    drive(store.close())


async def test_a_region_that_the_server_does_not_know_still_makes_buckets(server: S3Server) -> None:
    store = in_loop(server, region="eu-central-1")
    bucket = f"{new_bucket(server)}-eu"
    await store.make_bucket(bucket)
    with pytest.raises(AlreadyThere):
        await store.make_bucket(bucket)
    await store.drop_bucket(bucket)
    await store.close()


class _Off(SystemClock):
    """A clock that is wrong."""

    def __init__(self, offset: timedelta) -> None:
        super().__init__()
        self._offset = offset

    def now(self) -> datetime:
        return super().now() + self._offset


class _Flips:
    """A network that damages one byte of each body of object bytes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def send(self, request: Any) -> Any:
        if request.method == "PUT" and request.body:
            damaged = bytearray(request.body)
            damaged[len(damaged) // 2] ^= 1
            request = request._replace(body=damaged)
        return await self._inner.send(request)

    async def close(self) -> None:
        await self._inner.close()


def _resolve_below_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every resolver knows that all names below localhost are this machine (RFC 6761)."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith("localhost") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
