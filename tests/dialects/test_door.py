"""The disk store's signed addresses: they let in what was signed, once it is all there, and nothing else."""

from __future__ import annotations

import hashlib
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from tests.acceptance.holder import Holder
from tests.acceptance.served import Answer, Site, disk_settings, serving

from kist.errors import ObjectMissing
from kist.model.content import FormLimits, PutRules
from kist.model.place import Place
from kist.stores.disk import DiskStore

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(disk_settings(tmp_path_factory.mktemp("home"))) as found:
        yield found


@pytest.fixture(scope="module")
def holder() -> Holder:
    return Holder(urllib3.PoolManager(retries=False))


class Door:
    """The store's side, and what lies there."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.store: DiskStore = site.kist._ports.store  # type: ignore[assignment]
        self.place = Place("kist", f".kist/in/{name}")

    def url(self, method: str = "PUT", *, life: timedelta = MINUTE, query: Any = (), **headers: str) -> str:
        pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return self.store.sign(method, self.place, life, headers=pairs, query=query).url

    def form(self, least: int = 0, most: int = 10, **fields: str) -> dict[str, Any]:
        exact = tuple((name.replace("_", "-"), value) for name, value in fields.items())
        signed = self.store.sign_form(self.place, MINUTE, FormLimits(min_size=least, max_size=most, fields=exact))
        return {"url": signed.url, "fields": dict(signed.fields)}

    def there(self) -> bytes | None:
        async def read() -> bytes | None:
            try:
                opened = await self.store.open(self.place)
            except ObjectMissing:
                return None
            return b"".join([block async for block in opened.body])

        return self.site.run(read())


@pytest.fixture
def door(site: Site, request: pytest.FixtureRequest) -> Door:
    return Door(site, hashlib.md5(request.node.name.encode(), usedforsecurity=False).hexdigest())


def said(answer: Answer) -> tuple[int, str]:
    """The status and the code of an error."""
    return answer.status, answer.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


@pytest.mark.parametrize("data", [b"", b"12345", b"x" * (3 << 20)], ids=["empty", "small", "large"])
def test_a_put(door: Door, holder: Holder, data: bytes) -> None:
    url = door.url(content_length=str(len(data)), content_type="image/png")
    answer = holder.put(url, {"content-type": "image/png"}, data)
    assert answer.status == 200
    assert answer.headers["etag"].startswith('"')
    assert door.there() == data


@pytest.mark.parametrize(
    ("signed", "sent", "data"),
    [
        ({"content_length": "5"}, {}, b"123456"),
        ({"content_length": "5"}, {}, b"1234"),
        ({"content_length": "5"}, {}, b""),
        ({"content_type": "image/png"}, {"content-type": "text/html"}, b"12345"),
        ({"content_type": "image/png"}, {}, b"12345"),
        ({"x_amz_acl": "private"}, {"x-amz-acl": "public-read"}, b"12345"),
        ({"x_amz_acl": "private"}, {}, b"12345"),
        ({}, {"x-amz-acl": "public-read"}, b"12345"),
        ({}, {"x-amz-copy-source": "/kist/.kist/objects/secret"}, b""),
        ({}, {"x-amz-meta-e": "1"}, b"12345"),
    ],
)
def test_other_headers_than_signed(
    door: Door, holder: Holder, signed: dict[str, str], sent: dict[str, str], data: bytes
) -> None:
    assert said(holder.put(door.url(**dict[str, Any](signed)), sent, data)) == (403, "SignatureDoesNotMatch")
    assert door.there() is None


def test_an_md5_holds_the_bytes(door: Door, holder: Holder) -> None:
    digest = b64encode(hashlib.md5(b"12345", usedforsecurity=False).digest()).decode()
    url = door.url(content_md5=digest)
    assert said(holder.put(url, {"content-md5": digest}, b"54321")) == (400, "BadDigest")
    assert said(holder.put(url, {}, b"12345")) == (403, "SignatureDoesNotMatch")
    assert door.there() is None
    assert holder.put(url, {"content-md5": digest}, b"12345").status == 200


def test_a_length_that_is_signed_is_declared(door: Door, holder: Holder) -> None:
    answer = holder.request("PUT", door.url(content_length="5"), iter([b"12345"]))
    assert said(answer) == (403, "SignatureDoesNotMatch")
    assert door.there() is None


def test_tokens_that_are_none(door: Door, holder: Holder) -> None:
    url = door.url()
    text, _, code = url.rpartition("/")[2].partition(".")
    base = url.rpartition("/")[0]
    changed = text[:10] + ("A" if text[10] != "A" else "B") + text[11:]
    for token in (
        f"{changed}.{code}",
        f"{text}.{'A' * len(code)}",
        text,
        f"{text}.",
        f".{code}",
        "x",
        "%00",
        "%C3%A9.x",
    ):
        assert said(holder.put(f"{base}/{token}", {}, b"1")) == (403, "SignatureDoesNotMatch"), token
    assert said(holder.put(f"{url}?x=1", {}, b"1")) == (403, "SignatureDoesNotMatch")
    assert door.there() is None


@pytest.mark.parametrize(("signed", "used"), [("PUT", "GET"), ("GET", "PUT"), ("PUT", "HEAD")])
def test_one_method(door: Door, holder: Holder, signed: str, used: str) -> None:
    assert holder.request(used, door.url(signed), b"1" if used == "PUT" else None).status == 403
    assert holder.request("DELETE", door.url(signed)).status == 405


def test_what_has_expired(door: Door, holder: Holder) -> None:
    url = door.url(life=timedelta(seconds=1))
    time.sleep(1.1)
    assert said(holder.put(url, {}, b"1")) == (403, "AccessDenied")
    assert door.there() is None


def test_nothing_lands_after_the_expiry(door: Door, holder: Holder) -> None:
    """A PUT that begins before it and ends after it (T28)."""
    url = urlsplit(door.url(life=timedelta(seconds=2)))
    with socket.create_connection((url.hostname or "", url.port or 80)) as line:
        line.sendall(f"PUT {url.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345".encode())
        time.sleep(2.2)
        line.sendall(b"67890")
        assert line.recv(4096).startswith(b"HTTP/1.1 403")
    assert door.there() is None


def test_a_body_that_is_cut_off(door: Door, holder: Holder) -> None:
    url = urlsplit(door.url(content_length="10"))
    with socket.create_connection((url.hostname or "", url.port or 80)) as line:
        line.sendall(f"PUT {url.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345".encode())
    time.sleep(0.2)
    assert door.there() is None


@pytest.mark.parametrize("data", [b"", b"12345", b"1234567890"])
def test_a_form(door: Door, holder: Holder, data: bytes) -> None:
    answer = holder.form(door.form(acl="private", Content_Type="image/png"), data)
    assert (answer.status, answer.body) == (204, b"")
    assert door.there() == data


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ".kist/objects/x"},
        {"acl": "public-read"},
        {"acl": None},
        {"Content_Type": "text/html"},
        {"x_amz_meta_e": "1"},
        {"success_action_redirect": "http://evil.example"},
        {"policy": "e30=.x"},
        {"policy": None},
    ],
)
def test_a_form_with_other_fields(door: Door, holder: Holder, wrong: dict[str, Any]) -> None:
    answer = holder.form(door.form(acl="private", Content_Type="image/png"), b"12345", **wrong)
    assert said(answer) == (403, "SignatureDoesNotMatch")
    assert door.there() is None


def test_a_form_holds_its_sizes(door: Door, holder: Holder) -> None:
    assert said(holder.form(door.form(5, 10), b"12345678901")) == (400, "EntityTooLarge")
    assert said(holder.form(door.form(5, 10), b"1234")) == (400, "IncompleteBody")
    assert said(holder.form(door.form(0, 10), b"x" * (5 << 20))) == (400, "EntityTooLarge")
    assert door.there() is None


def test_a_form_is_no_url_and_a_url_no_form(door: Door, holder: Holder) -> None:
    form = door.form()
    assert holder.put(f"{form['url']}/{form['fields']['policy']}", {}, b"1").status == 403
    token = door.url().rpartition("/")[2]
    assert holder.form({"url": form["url"], "fields": {**form["fields"], "policy": token}}, b"1").status == 403
    assert holder.form({"url": form["url"], "fields": {}}, b"1").status == 403
    body, kind = urllib3.encode_multipart_formdata(list(form["fields"].items()))
    assert said(holder.request("POST", form["url"], body, {"content-type": kind})) == (400, "InvalidArgument")
    assert door.there() is None


def test_the_second_of_two_files_is_refused(door: Door, holder: Holder) -> None:
    form = door.form()
    parts = [*form["fields"].items(), ("file", ("a", b"12345")), ("file", ("b", b"54321"))]
    body, kind = urllib3.encode_multipart_formdata(parts)
    assert holder.request("POST", form["url"], body, {"content-type": kind}).status == 400


def part_url(door: Door, parts_id: str, number: int, size: int) -> str:
    query = (("partNumber", str(number)), ("uploadId", parts_id))
    return door.url(query=query, content_length=str(size))


def test_parts(door: Door, holder: Holder) -> None:
    parts_id = door.site.run(door.store.start_parts(door.place, PutRules()))
    other = Door(door.site, "another")
    theirs = door.site.run(other.store.start_parts(other.place, PutRules()))
    for number, data in ((2, b"67890"), (1, b"12345"), (1, b"abcde")):
        answer = holder.put(part_url(door, parts_id, number, 5), {}, data)
        assert answer.headers["etag"] == f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    assert said(holder.put(part_url(door, parts_id, 1, 5), {}, b"123456")) == (403, "SignatureDoesNotMatch")
    assert said(holder.put(part_url(door, theirs, 1, 5), {}, b"12345")) == (404, "NoSuchUpload")
    assert said(holder.put(part_url(door, "../x", 1, 5), {}, b"12345")) == (404, "NoSuchUpload")

    async def finish() -> int:
        refs = [ref async for ref in door.store.parts(door.place, parts_id)]
        return (await door.store.finish_parts(door.place, parts_id, refs)).size

    assert door.site.run(finish()) == 10
    assert door.there() == b"abcde67890"
    assert said(holder.put(part_url(door, parts_id, 1, 5), {}, b"evil!")) == (404, "NoSuchUpload")
    assert door.there() == b"abcde67890"


def test_reading(door: Door, holder: Holder) -> None:
    holder.put(door.url(), {}, b"0123456789")
    shown = (("response-content-type", "image/png"), ("response-content-disposition", 'inline; filename="a.png"'))
    url = door.url("GET", query=shown)
    whole = holder.request("GET", url)
    assert (whole.status, whole.body) == (200, b"0123456789")
    assert (whole.headers["content-type"], whole.headers["content-disposition"]) == (
        "image/png",
        'inline; filename="a.png"',
    )
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    part = holder.request("GET", url, headers={"range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    etag = whole.headers["etag"]
    assert holder.request("GET", url, headers={"if-none-match": etag}).status == 304
    assert holder.request("HEAD", url).headers["content-length"] == "10"
    assert holder.request("GET", url, headers={"range": "bytes=20-"}).status == 416
    assert said(holder.request("GET", Door(door.site, "none").url("GET"))) == (404, "NoSuchKey")
    assert "attachment" in holder.request("GET", door.url("GET")).headers["content-disposition"]


def test_a_store_that_signs_nothing_has_no_door(tmp_path: Path, holder: Holder) -> None:
    from tests.acceptance.served import memory_settings

    with serving(memory_settings(tmp_path)) as memory:
        assert holder.put(f"{memory.url}/door/x", {}, b"1").status == 404


def test_a_path_that_is_long(site: Site, holder: Holder) -> None:
    assert holder.put(f"{site.url}/door/{'x' * 3000}", {}, b"1").status == 403
