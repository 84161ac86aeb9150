"""What is made of servers that refuse, lie, break off or are none of ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from kist import errors
from kist.cli.remote import RemoteKist
from kist.dialects.native.shapes import FileShape

FILE = {
    "id": "1", "name": "a", "size": 10, "type": "x/y", "sha256": "ab", "owner": "me", "bucket": "kist",
    "state": "ready", "visibility": "private", "metadata": {}, "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z", "version": 1,
}  # fmt: skip


@contextmanager
def answering(status: int, body: bytes, *, length: int | None = None, **headers: str) -> Iterator[str]:
    """A server that has one answer to everything."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body) if length is None else length))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def read_file(url: str) -> errors.KistError:
    kist = RemoteKist(url, key=None, act_as=None)
    with pytest.raises(errors.KistError) as caught:
        await kist.file("1")
    await kist.close()
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "file_missing", errors.FileMissing),
        (401, "not_signed_in", errors.NotSignedIn),
        (409, "clash", errors.Clash),
        (503, "catalogue_busy", errors.CatalogueBusy),
        (507, "store_full", errors.StoreFull),
        (500, "corrupt", errors.Corrupt),
        (422, "of_a_later_release", errors.Refused),
        (503, "of_a_later_release", errors.Unavailable),
        (500, "of_a_later_release", errors.Broken),
    ],
)
async def test_a_refusal_is_the_error_that_was_meant(status: int, code: str, kind: type[errors.KistError]) -> None:
    problem = json.dumps({"code": code, "detail": "because", "status": status}).encode()
    with answering(status, problem, retry_after="7") as url:
        error = await read_file(url)
    assert type(error) is kind
    assert error.message.startswith("because")
    assert error.about == {"after": 7}


@pytest.mark.parametrize("status", [401, 404, 500, 502])
async def test_a_proxy_in_between_that_says_no(status: int) -> None:
    with answering(status, b"<html>\xff nginx") as url:
        error = await read_file(url)
    assert str(status) in error.message


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    with answering(302, b"", location="https://elsewhere.example/") as url:
        assert "elsewhere.example" in (await read_file(url)).message


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"", b'{"id": 5}', b"\xff"])
async def test_what_is_no_kist(body: bytes) -> None:
    with answering(200, body) as url:
        error = await read_file(url)
    assert isinstance(error, errors.Broken)
    assert "no Kist" in error.message


async def test_nobody_is_there(dead_port: int) -> None:
    error = await read_file(f"http://127.0.0.1:{dead_port}")
    assert type(error) is errors.Unavailable
    assert str(dead_port) in error.message


@pytest.mark.parametrize("server", ["files.example.com", "ftp://x", "http://", "http://user:pw@x", "http://x?y"])
def test_an_address_that_is_none(server: str) -> None:
    with pytest.raises(errors.Invalid):
        RemoteKist(server, key=None, act_as=None)


async def test_content_that_breaks_off_is_no_end() -> None:
    with answering(200, b"half", length=10) as url:
        kist = RemoteKist(url, key=None, act_as=None)
        content = await kist.open(msgspec.convert(FILE, FileShape))
        with pytest.raises(errors.Unavailable):
            assert [block async for block in content.body] == []
        await kist.close()


async def test_another_range_than_was_asked_for() -> None:
    with answering(206, b"bytes", content_range="bytes 0-4/10") as url:
        kist = RemoteKist(url, key=None, act_as=None)
        with pytest.raises(errors.Broken):
            await kist.open(msgspec.convert(FILE, FileShape), 5)
        await kist.close()
