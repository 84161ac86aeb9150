"""Bodies on their way in and out, under WSGI and ASGI: cut short, too long, large, in ranges, behind middleware."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import socket
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from tests.acceptance.served import Site, disk_settings
from tests.django_host.served import APPLICATION, django_serving
from tests.django_host.site import MIDDLEWARE

LARGE = 256 << 20
ROOM = 24 << 20
"""What a server may need beside what it needs anyway, for a file of any size."""
PATIENCE = 30.0
"""Seconds that a machine which stands still now and then may take for what comes at once."""
AROUND = ["django.middleware.gzip.GZipMiddleware", "django.middleware.http.ConditionalGetMiddleware"]


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with middleware around that changes answers, and a transaction around each view of the project."""
    changed: dict[str, Any] = {"MIDDLEWARE": [*AROUND, *MIDDLEWARE], "ATOMIC_REQUESTS": True}
    with django_serving(request.param, disk_settings(tmp_path_factory.mktemp("home")), **changed) as found:
        yield found


def left(site: Site) -> dict[str, int]:
    """What lies about: files and uploads that are not finished, objects, and what came half."""
    home = site.settings.home
    with contextlib.closing(sqlite3.connect(home / "db.sqlite3", timeout=PATIENCE)) as rows:
        counts = {
            "pending": "SELECT count(*) FROM files WHERE state = 'pending'",
            "files": "SELECT count(*) FROM files",
            "uploads": "SELECT count(*) FROM uploads",
        }
        found = {name: int(rows.execute(sql).fetchone()[0]) for name, sql in counts.items()}
    return found | {"objects": sum(len(names) for _, _, names in os.walk(home / "objects"))}


def begun(site: Site, before: dict[str, int]) -> None:
    """Return when the server is at work on an upload. Django takes the body in first under ASGI, which is not seen."""
    if site.host == "django asgi":
        time.sleep(0.3)
        return
    come_to(lambda: left(site)["pending"], before["pending"] + 1)


def settled(site: Site, before: dict[str, int]) -> None:
    """Demand that as little lies about as before, in the end."""
    come_to(lambda: left(site), before)


def come_to(look: Callable[[], object], wanted: object) -> None:
    """Look again and again until it is as it should be."""
    give_up = time.monotonic() + PATIENCE
    while (found := look()) != wanted:
        assert time.monotonic() < give_up, (found, wanted)
        time.sleep(0.05)


@contextlib.contextmanager
def raw(
    site: Site, *lines: str, body: bytes = b"", path: str = "/v1/files?name=a.bin", type: str = "text/plain"
) -> Iterator[socket.socket]:
    """A connection on which an upload was begun by hand."""
    address = urlsplit(site.url)
    head = [f"POST {path} HTTP/1.1", f"Host: {address.netloc}", f"Authorization: Bearer {site.ann.key}"]
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        connection.sendall("\r\n".join([*head, f"Content-Type: {type}", *lines, "", ""]).encode() + body)
        yield connection


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_chunks_are_refused_where_they_would_be_lost(site: Site) -> None:
    before = left(site)
    answer = site.ann.call("POST", "/v1/files?name=c.txt", iter([b"chunk"] * 3), transfer_encoding="chunked")
    if site.host == "django asgi":
        assert (answer.status, answer.json["size"]) == (201, 15)
        return
    assert answer.status == 411
    assert "Content-Length" in answer.json["detail"]
    assert left(site) == before
    dabapps = site.ann.call("POST", "/s3-file-uploads/", iter([b"{}"]), transfer_encoding="chunked")
    assert (dabapps.status, set(dabapps.json)) == (411, {"detail"})


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
def test_who_leaves_half_way_leaves_nothing(site: Site, leave: Callable[[socket.socket], None]) -> None:
    before = left(site)
    with raw(site, "Content-Length: 8000000", body=b"x" * 3_000_000) as connection:
        begun(site, before)
        leave(connection)
    settled(site, before)


def test_who_leaves_in_the_middle_of_a_form_leaves_nothing(site: Site) -> None:
    before = left(site)
    fields = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % pair
        for pair in ((b"bucket", site.settings.bucket.encode()), (b"user_id", b"ann"))
    )
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 3_000_000
    path, form = "/modules/s3-file-uploader/service/file/upload/", "multipart/form-data; boundary=b"
    for body in (fields + file, file):
        with raw(site, "Content-Length: 8000000", body=body, path=path, type=form):
            begun(site, before)
        settled(site, before)


def test_less_than_was_declared(site: Site) -> None:
    before = left(site)
    with raw(site, "Content-Length: 100", body=b"x" * 50) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    if site.host == "django wsgi":
        assert answer.startswith(b"HTTP/1.1 409 ")
    settled(site, before)


def test_more_than_was_declared_is_not_of_the_file(site: Site) -> None:
    with raw(site, "Content-Length: 5", "Connection: close", body=b"12345 and more") as connection:
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b'"size":5' in answer


def test_what_is_refused_is_refused_before_a_row(site: Site) -> None:
    before = left(site)
    for lines in (["Content-Length: nonsense"], ["Content-Length: -1"], [f"Content-Length: {10**30}"]):
        with raw(site, *lines, body=b"x") as connection:
            assert connection.recv(65536)[9:12] in (b"400", b"413")
    assert site.nobody.call("POST", "/v1/files?name=a", b"x" * 100_000).status == 401
    assert left(site) == before


def test_a_refusal_leaves_the_connection_of_use(site: Site) -> None:
    """Also where something is left of the body, which gunicorn would end it for."""
    for size in (70_000, 900_000):
        for _ in range(5):
            assert site.ann.call("POST", "/s3-file-uploads/", {"filename": "x" * size}).status == 413
            assert site.ann.call("GET", "/v1/me").status == 200


def test_a_refusal_does_not_wait_for_the_body(site: Site) -> None:
    if site.host == "django asgi":
        pytest.skip("Django takes in the whole body under ASGI before it asks a view")
    with raw(site, "Content-Length: 500000", "Content-Encoding: gzip", body=b"x") as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 415 ")


def test_ranges_and_heads_behind_middleware(site: Site) -> None:
    data = b"0123456789 " * 5_000
    file = site.ann.put("t.txt", data, "text/plain")
    path, zipped = f"/v1/files/{file['id']}/content", {"accept_encoding": "gzip"}
    whole = site.ann.call("GET", path, **zipped)
    assert (whole.status, whole.body, whole.headers["content-length"]) == (200, data, str(len(data)))
    assert whole.headers["accept-ranges"] == "bytes"
    part = site.ann.call("GET", path, range="bytes=11-20", **zipped)
    assert (part.status, part.body) == (206, b"0123456789")
    assert part.headers["content-range"] == f"bytes 11-20/{len(data)}"
    assert "content-encoding" not in part.headers
    head = site.ann.call("HEAD", path, **zipped)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(data)))
    etag = whole.headers["etag"]
    assert not etag.startswith("W/")
    assert site.ann.call("GET", path, if_none_match=etag, **zipped).status == 304
    assert site.ann.call("GET", path, range="bytes=0-1", if_range=etag).status == 206
    assert site.ann.call("GET", path, range="bytes=0-1", if_range='"other"').status == 200
    assert site.ann.call("GET", path, range=f"bytes={len(data)}-").status == 416
    assert site.ann.call("PUT", path, b"new", if_match='"other"', content_type="text/plain").status == 412
    assert site.ann.content(file["id"]) == data


def test_answers_of_json_may_be_compressed(site: Site) -> None:
    reply = site.ann.pool.request(
        "GET", f"{site.url}/openapi.json", headers={"accept-encoding": "gzip"}, decode_content=False
    )
    assert reply.headers["content-encoding"] == "gzip"
    assert b"openapi" in gzip.decompress(reply.data)


def test_large_files_in_bounded_memory(site: Site) -> None:
    site.ann.content(site.ann.put("warm.bin", b"x" * 1_000_000)["id"])
    before, block = peak(), bytes(range(256)) * 4096
    sent = site.ann.pool.request(
        "POST",
        f"{site.url}/v1/files?name=large.bin",
        body=(block for _ in range(LARGE // len(block))),
        headers={
            "authorization": f"Bearer {site.ann.key}",
            "content-length": str(LARGE),
            "content-type": "application/octet-stream",
        },
        chunked=False,
    )
    assert sent.status == 201, sent.data
    uploaded = peak()
    assert uploaded - before < ROOM, f"the upload took {(uploaded - before) >> 20} MiB"
    path = f"{site.url}/v1/files/{sent.json()['id']}/content"
    digest, size = hashlib.sha256(), 0
    answer = site.ann.pool.request(
        "GET", path, headers={"authorization": f"Bearer {site.ann.key}"}, preload_content=False
    )
    for piece in answer.stream(1 << 20):
        digest.update(piece)
        size += len(piece)
    assert (size, digest.hexdigest()) == (LARGE, sent.json()["sha256"])
    assert peak() - uploaded < ROOM, f"the download took {(peak() - uploaded) >> 20} MiB"


def test_a_download_that_is_left_closes_its_file(site: Site) -> None:
    file = site.ann.put("left.bin", b"x" * 20_000_000)
    key = (site.settings.home / "objects").resolve()
    address = urlsplit(site.url)
    for _ in range(3):
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
            head = f"GET /v1/files/{file['id']}/content HTTP/1.1\r\nHost: {address.netloc}\r\n"
            connection.sendall(f"{head}Authorization: Bearer {site.ann.key}\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

    def opened() -> list[str]:
        paths = [one.path for server in servers() for one in server.open_files()]
        return [path for path in paths if path.startswith(str(key))]

    come_to(opened, [])


def servers() -> list[psutil.Process]:
    """The processes that answer."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if any(APPLICATION in word for word in command(process))]


def command(process: psutil.Process) -> list[str]:
    """What the process was started with; nothing, if it has ended since it was found."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def peak() -> int:
    """The most memory that one of them has had (VmHWM), in bytes."""
    lines = [line for server in servers() for line in Path(f"/proc/{server.pid}/status").read_text().splitlines()]
    return max(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
