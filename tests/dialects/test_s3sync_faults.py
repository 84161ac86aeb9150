"""The faults of the S3 Synchronization API (contracts 5.4), each with what Kist does instead."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from tests.acceptance.served import disk_settings, memory_settings, s3_settings
from tests.dialects.s3sync_site import (
    LONG,
    STEP,
    Mirror,
    eventually,
    folder,
    mirroring,
    new_bucket,
    refused,
    synced,
)
from tests.servers.server import S3Server

from kist.errors import Corrupt
from kist.model.changes import Swap

FORM = "application/x-www-form-urlencoded"


# Fault 1: SQL injection in ids


@pytest.mark.parametrize("path", ["get", "cancel"])
@pytest.mark.parametrize(
    "id",
    [
        "-1 union select name,sql,type from sqlite_master",
        "1 or 1=1",
        "1;drop table jobs",
        "1'--",
        "-1",
        "+1",
        " 1",
        "1.0",
        "1e0",
        "0x1",
        "0",
        "999999999",
        "9" * 30,
        "9" * 5000,
        "\u0661",
        "\x00",
        "",
        "00000000-0000-4000-8000-000000000000",
        "../1",
    ],
)
def test_what_is_no_number_of_a_sync_is_404(mirror: Mirror, path: str, id: str) -> None:
    synced(mirror)
    refused(mirror.ask(path, id=id), 404, "there is no such job")


# Fault 2: files of the server for whoever asks, and requests to wherever they say


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("nobody's business")
    return tmp_path / "outside"


@pytest.mark.parametrize(
    "source",
    ["/etc", "//etc", "..", "../..", "a/../../etc", "uploads:/etc", "uploads:../x", "other:x", "etc:", ":", "file:///etc",
     "s3://bucket/x", "a\0b", "a\nb", "x" * 5000, "./../x"],
)  # fmt: skip
def test_sources_outside_of_the_roots(mirror: Mirror, source: str) -> None:
    before, dest = mirror.jobs(), new_bucket()
    refused(mirror.ask("sync", source=source, dest=dest), 400)
    assert mirror.jobs() == before
    assert dest not in mirror.buckets()


def test_percent_is_decoded_once(mirror: Mirror) -> None:
    for raw in ("%2e%2e", "%2fetc", "a/%2e%2e/%2e%2e"):
        refused(mirror.admin.call("GET", f"/sync?source={raw}"), 400)
    assert "cannot be opened" in mirror.sync(source="%2e%2e", dest=new_bucket())["status"]


def test_links_out_of_the_root_are_not_followed(mirror: Mirror, outside: Path) -> None:
    source, dest = folder(mirror), new_bucket()
    (mirror.uploads / source / "away").symlink_to(outside)
    (mirror.uploads / source / "file").symlink_to(outside / "secret")
    (mirror.uploads / f"{source}-away").symlink_to(outside)
    for leading in (f"{source}/away", f"{source}-away", f"{source}-away/."):
        refused(mirror.ask("sync", source=leading, dest=dest), 400, "leads out of its root")
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    assert set(mirror.objects(dest)) == {"000", "001", "002"}


def test_links_within_the_root_are(mirror: Mirror) -> None:
    source, dest = folder(mirror), new_bucket()
    (mirror.uploads / f"{source}-again").symlink_to(mirror.uploads / source)
    assert mirror.sync(source=f"{source}-again", dest=dest)["status"] == "success"
    assert set(mirror.objects(dest)) == {"000", "001", "002"}


def test_a_link_that_is_put_in_the_way_meanwhile_leads_nowhere(mirror: Mirror, outside: Path) -> None:
    """Somebody who may write below the uploads swaps folders for links, as fast as they can."""
    source, stop = folder(mirror, 1), threading.Event()
    dest = new_bucket()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    inner = mirror.uploads / source / "in" / "deep"
    inner.mkdir(parents=True)
    (inner / "fine").write_text("fine")
    (outside / "deep").mkdir()
    shutil.copy(outside / "secret", outside / "deep" / "secret")

    def swap() -> None:
        there, aside = inner.parent, inner.parent.with_name("aside")
        while not stop.is_set():
            os.rename(there, aside)
            there.symlink_to(outside)
            there.unlink()
            os.rename(aside, there)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(20):
            mirror.ask("sync", source=f"{source}/in/deep", dest=dest)
            assert set(mirror.objects(dest)) <= {"000", "fine"}
    finally:
        stop.set()
        swapping.join()


def test_other_roots_are_those_of_the_operator(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "2026").mkdir(parents=True)
    (photos / "2026" / "a").write_bytes(b"a")
    (tmp_path / "up").mkdir()
    roots = f"photos={photos},uploads={tmp_path / 'up'}"
    with mirroring(memory_settings(tmp_path / "home", KIST_SYNC_ROOTS=roots)) as mirror:
        assert mirror.sync(source="photos:2026", dest="taken")["status"] == "success"
        assert mirror.sync(source="photos:", dest="whole")["status"] == "success"
        assert (mirror.objects("taken"), mirror.objects("whole")) == ({"a": b"a"}, {"2026/a": b"a"})
        refused(mirror.ask("sync", source="nothing:2026"), 400, "photos:…", "uploads:…")
    with mirroring(memory_settings(tmp_path / "home", KIST_SYNC_ROOTS=f"photos={photos}")) as mirror:
        refused(mirror.ask("sync", source="2026"), 400, "there is no root 'uploads'")


# Fault 3: what changes something by GET, and secrets in addresses


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_start_and_stop_nothing(mirror: Mirror, method: str, site: str) -> None:
    before, dest = mirror.jobs(), new_bucket()
    _, number = mirror.begun(source=folder(mirror), dest=new_bucket(), wait=LONG)
    refused(mirror.admin.call(method, f"/sync?dest={dest}", sec_fetch_site=site), 403, "other sites")
    refused(mirror.admin.call(method, f"/cancel?id={number}", sec_fetch_site=site), 403, "other sites")
    assert (mirror.jobs(), mirror.get(number)["status"]) == (before + 1, "running")
    assert dest not in mirror.buckets()
    for own in ("same-origin", "none"):
        assert mirror.admin.call(method, f"/cancel?id={number}", sec_fetch_site=own).json["status"] == "cancelled"
    eventually(lambda: number not in mirror.running())


@pytest.mark.parametrize(
    "ahead",
    [
        {"sec_purpose": "prefetch"},
        {"sec_purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x_moz": "prefetch"},
    ],
)
def test_a_browser_that_fetches_ahead_starts_nothing(mirror: Mirror, ahead: dict[str, str]) -> None:
    before = mirror.jobs()
    refused(mirror.admin.call("GET", f"/sync?dest={new_bucket()}", sec_fetch_site="none", **ahead), 403)
    assert mirror.jobs() == before


def test_a_question_for_headers_starts_nothing(mirror: Mirror) -> None:
    before = mirror.jobs()
    assert mirror.admin.call("HEAD", f"/sync?dest={new_bucket()}").status == 405
    assert mirror.admin.call("HEAD", "/cancel?id=1").status == 405
    assert mirror.admin.call("HEAD", "/runnings").status == 200
    assert mirror.jobs() == before


# Fault 7: nothing outlives its request, and nothing guards the bucket


def test_two_syncs_to_one_bucket(mirror: Mirror) -> None:
    source, dest = folder(mirror), new_bucket()
    waiting, number = mirror.begun(source=source, dest=dest, wait=LONG)
    refused(mirror.ask("sync", source=folder(mirror), dest=dest), 409, f"job {number} is at work there")
    mirror.ask("cancel", id=number)
    assert waiting.result().json["status"] == "cancelled"


def test_a_caller_who_leaves_does_not_stop_the_sync(mirror: Mirror) -> None:
    source, dest = folder(mirror), new_bucket()
    at = urlsplit(mirror.site.url)
    before = mirror.running()
    with mirror.stepping() as go:
        with socket.create_connection((at.hostname, at.port)) as line:
            line.sendall(
                f"GET /sync?source={source}&dest={dest}&wait={STEP} HTTP/1.1\r\nHost: {at.netloc}\r\n"
                f"Authorization: Bearer {mirror.admin.key}\r\n\r\n".encode()
            )
            number = eventually(lambda: next((n for n in mirror.running() if n not in before), None))
        go(3)
        assert eventually(lambda: mirror.get(number)["status"] != "running")
    assert mirror.get(number)["status"] == "success"
    assert len(mirror.objects(dest)) == 3


def test_a_sync_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    settings = disk_settings(tmp_path / "home")
    with mirroring(settings) as mirror, mirror.stepping() as go:
        source = folder(mirror, 4)
        number = mirror.sync(source=source, dest="kept", wait=STEP, background=1)["id"]
        go(1)
        eventually(lambda: mirror.get(number)["progress"] == "25%")
    with mirroring(settings) as mirror, mirror.stepping() as go:
        assert mirror.get(number)["status"] == "running"
        lapse(mirror, number)
        go(3)
        assert eventually(lambda: mirror.get(number)["status"] == "success")
        assert len(mirror.objects("kept")) == 4


def lapse(mirror: Mirror, number: int) -> None:
    async def move() -> None:
        catalogue = mirror.site.kist._ports.catalogue
        job = await catalogue.job_numbered(number)
        await catalogue.commit(Swap(job, msgspec.structs.replace(job, lease_until=job.created_at)))

    mirror.site.run(move())


def test_a_server_that_stops_does_not_wait_for_syncs(tmp_path: Path) -> None:
    with mirroring(memory_settings(tmp_path)) as mirror:
        waiting, number = mirror.begun(source=folder(mirror), dest=new_bucket(), wait=LONG)
        mirror.site.kist.draining = True
        answer = waiting.result(20).json
        assert (answer["id"], answer["status"]) == (number, "running")


def test_what_went_wrong_with_single_files_is_told(mirror: Mirror) -> None:
    source, dest = synced(mirror)
    mirror.write(f"{source}/000", b"changed", age=0)

    async def broken(*more: object, **named: object) -> object:
        raise Corrupt("not today")

    ports = mirror.site.kist._ports
    put = ports.store.put
    ports.store.put = broken  # type: ignore[assignment]
    try:
        answer = mirror.sync(source=source, dest=dest)
    finally:
        ports.store.put = put  # type: ignore[method-assign]
    assert answer["status"] == "error (1 files could not be synced)"
    assert mirror.objects(dest)["000"] == b"0"


# Fault 8, and 5.1: mistakes that were 500s


@pytest.mark.parametrize("wait", ["x", "1.5", "-1", "1e3", "", "\u0661", "3601", "9" * 30, "1 or 1=1"])
def test_a_wait_that_is_no_number_of_seconds_is_400(mirror: Mirror, wait: str) -> None:
    before, dest = mirror.jobs(), new_bucket()
    refused(mirror.ask("sync", wait=wait, dest=dest), 400, "wait")
    assert mirror.jobs() == before
    assert dest not in mirror.buckets()


@pytest.mark.parametrize("dest", ["", "ab", "My-Bucket", "a/b", "a/../b", ".kist", "a.b", "x" * 64, "a b", "\0"])
def test_a_bucket_that_cannot_be_is_400(mirror: Mirror, dest: str) -> None:
    before = mirror.jobs()
    refused(mirror.ask("sync", source=folder(mirror), dest=dest), 400)
    assert mirror.jobs() == before


def test_a_missing_id_is_400(mirror: Mirror) -> None:
    for path in ("get", "cancel"):
        refused(mirror.ask(path), 400, "id")


@pytest.mark.parametrize(
    ("body", "type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"wait":[]}', "application/json", 400),
        (b'{"wait":null}', "application/json", 400),
        (b'{"wait":"1","wait":"2"}', "application/json", 400),
        (b"dest=a%ff", FORM, 400),
        (b"dest=aaa&dest=bbb", FORM, 400),
        (b"<a/>", "text/xml", 415),
        (b"x" * (65 << 10), FORM, 413),
    ],
)
def test_bodies_that_are_no_parameters(mirror: Mirror, body: bytes, type: str, status: int) -> None:
    before = mirror.jobs()
    refused(mirror.admin.call("POST", "/sync", body, content_type=type), status)
    assert mirror.jobs() == before


def test_a_parameter_is_given_once(mirror: Mirror) -> None:
    refused(mirror.admin.call("GET", "/sync?dest=one&dest=two"), 400, "dest")
    refused(mirror.admin.call("POST", "/sync?dest=one", {"dest": "two"}), 400, "dest")


def test_a_store_that_is_down(tmp_path: Path, rgw: S3Server) -> None:
    gone = dataclasses.replace(rgw, endpoint="http://127.0.0.1:9")
    with mirroring(s3_settings(tmp_path, gone)) as mirror:
        answer = mirror.ask("sync", source=folder(mirror))
        refused(answer, 503, "error (s3 storage connection)")
        assert "retry-after" in answer.headers
        assert mirror.running() == []
