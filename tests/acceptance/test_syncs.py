"""Syncs over HTTP: started, watched, confirmed, stopped, resumed and taken back, on disk and on a real S3 server."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.acceptance.served import ROOT, Client, Site, disk_settings, s3_settings, serving

from kist.model.content import PutRules
from kist.model.place import Place
from kist.model.upload import Repeat

ENDED = ("succeeded", "succeeded_with_errors", "failed", "cancelled")
PATIENCE = 30.0


@pytest.fixture(scope="module", params=["disk", "rgw"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home, more = tmp_path_factory.mktemp("home"), {"KIST_SYNC_ROOTS": f"tests={tmp_path_factory.getbasetemp()}"}
    if request.param == "disk":
        settings = disk_settings(home, **more)
    else:
        settings = s3_settings(home, request.getfixturevalue("rgw"), **more)
    with serving(settings) as found:
        yield found


def bucket_of(client: Client) -> str:
    name = f"sync-{uuid.uuid4().hex[:12]}"
    assert client.call("POST", "/v1/buckets", {"name": name}).status == 201
    return name


@pytest.fixture
def bucket(site: Site) -> str:
    return bucket_of(site.ann)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty files."""
    for number in range(30):
        path = tmp_path / "folder" / f"{number % 3}" / f"{number:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}")
        os.utime(path, (time.time() - 100,) * 2)
    return tmp_path / "folder"


async def one(data: bytes) -> AsyncIterator[bytes]:
    yield data


def put(site: Site, bucket: str, key: str, data: bytes = b"data") -> None:
    site.run(site.kist.files._ports.store.put(Place(bucket, key), one(data), PutRules(size=len(data))))


def keys(site: Site, bucket: str) -> list[str]:
    return [item["key"] for item in site.admin.call("GET", f"/v1/buckets/{bucket}/objects").json["items"]]


def started(client: Client, source: object, dest: str, **more: Any) -> dict[str, Any]:
    answer = client.call("POST", "/v1/syncs", {"source": str(source), "dest": dest, **more})
    assert answer.status == 202, answer.body
    job: dict[str, Any] = answer.json
    assert answer.headers["location"] == f"/v1/syncs/{job['id']}"
    return job


def asked(client: Client, job: dict[str, Any], verb: str, body: Any = None) -> dict[str, Any]:
    answer = client.call("POST", f"/v1/syncs/{job['id']}/{verb}", body)
    assert answer.status == 202, answer.body
    found: dict[str, Any] = answer.json
    return found


def settled(client: Client, job: dict[str, Any], *states: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found: dict[str, Any] = client.call("GET", f"/v1/syncs/{job['id']}").json
        if found["state"] in (states or (*ENDED, "needs_confirmation")):
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {found}")


def events(client: Client, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    reply = client.pool.request(
        "GET",
        f"{client.url}/v1/syncs/{job['id']}/events",
        headers={"authorization": f"Bearer {client.key}"},
        preload_content=False,
        timeout=PATIENCE,
    )
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    waiting = b""
    for block in reply.stream(1 << 16):
        waiting += block
        while b"\n\n" in waiting:
            event, _, waiting = waiting.partition(b"\n\n")
            assert event.startswith(b"data: ")
            yield json.loads(event[6:])
    assert waiting == b""


def test_a_job_from_its_start_to_its_undo(site: Site, bucket: str, folder: Path) -> None:
    job = started(site.admin, folder, f"{bucket}/copy")
    assert (job["chore"], job["owner"], job["dest"]) == ("sync", "root", f"{bucket}/copy")
    done = settled(site.admin, job)
    assert (done["state"], done["reason"]) == ("succeeded", "")
    size = sum(path.stat().st_size for path in folder.rglob("*.txt"))
    progress = done["progress"]
    assert (progress["files"], progress["files_total"], progress["bytes"], progress["percent"]) == (30, 30, size, 100)
    assert done["created_at"] <= done["started_at"] <= done["ended_at"]
    assert keys(site, bucket) == sorted(f"copy/{path.relative_to(folder)}" for path in folder.rglob("*.txt"))
    assert site.admin.call("GET", f"/v1/syncs/{job['number']}").json == done, "the number does as well"
    again = settled(site.admin, started(site.admin, folder, f"{bucket}/copy"))
    assert (again["progress"]["unchanged"], again["progress"]["percent"]) == (30, 100)
    undone = settled(site.admin, asked(site.admin, job, "undo"))
    assert (undone["chore"], undone["state"], undone["progress"]["deleted"]) == ("undo", "succeeded", 30)
    assert keys(site, bucket) == []


def test_folders_outside_of_the_roots_are_out_of_reach(site: Site, bucket: str, folder: Path) -> None:
    (folder / "out").symlink_to("/etc")
    for path in ("/etc", "/", f"{folder}/../../../../../../etc", f"{folder}/out", "tests:../x", "tests:/etc", "none:x"):
        for ends in ({"source": path, "dest": bucket}, {"source": bucket, "dest": path}):
            answer = site.admin.call("POST", "/v1/syncs", ends)
            assert (answer.status, answer.json["code"]) == (422, "source_refused"), (ends, answer.body)
        assert site.ann.call("POST", "/v1/syncs", {"source": path, "dest": bucket}).status == 403
    below = folder.relative_to(folder.parents[1])
    root = site.settings.folders["tests"]
    named = f"tests:{folder.parents[1].relative_to(root)}/{below}"
    made = site.admin.call("POST", "/v1/syncs", {"source": named, "dest": bucket}).json
    assert settled(site.admin, made)["state"] == "succeeded"


def test_the_plan_and_the_outcomes_are_paged(site: Site, bucket: str, folder: Path) -> None:
    job = settled(site.admin, started(site.admin, folder, bucket, dry_run=True))
    assert (job["state"], job["reason"], keys(site, bucket)) == ("succeeded", "dry run", [])
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = site.admin.call("GET", f"/v1/syncs/{job['id']}/plan?limit=7{cursor}").json
        found += page["items"]
        if page["next"] is None:
            break
        assert len(page["items"]) == 7
        cursor = f"&cursor={page['next']}"
    assert [step["key"] for step in found] == sorted(str(path.relative_to(folder)) for path in folder.rglob("*.txt"))
    assert found[0] == {"key": "0/00.txt", "act": "create", "reason": found[0]["reason"], "size": 6}
    done = settled(site.admin, started(site.admin, folder, bucket))
    outcomes = site.admin.call("GET", f"/v1/syncs/{done['number']}/files").json
    assert {(step["state"], step["error"]) for step in outcomes["items"]} == {("done", None)}
    assert outcomes["next"] is None


def test_too_many_deletions_wait_for_a_yes(site: Site, bucket: str, folder: Path) -> None:
    settled(site.admin, started(site.admin, folder, bucket))
    for path in sorted(folder.rglob("*.txt"))[:12]:
        path.unlink()
    job = settled(site.admin, started(site.admin, folder, bucket, delete=True))
    assert job["state"] == "needs_confirmation"
    assert "12 of 30 files would be deleted" in job["reason"]
    assert len(keys(site, bucket)) == 30
    waiting = events(site.admin, job)
    assert next(waiting)["state"] == "needs_confirmation"
    other = site.admin.call("POST", f"/v1/syncs/{job['id']}/confirm", {"plan": "another"})
    assert (other.status, other.json["code"]) == (409, "clash")
    asked(site.admin, job, "confirm", {"plan": job["plan"]})
    assert list(waiting)[-1]["state"] == "succeeded"
    assert len(keys(site, bucket)) == 18
    late = site.admin.call("POST", f"/v1/syncs/{job['id']}/confirm")
    assert (late.status, late.json["code"]) == (409, "wrong_state")
    settled(site.admin, asked(site.admin, job, "undo"))
    assert len(keys(site, bucket)) == 30


def test_it_can_be_watched_stopped_and_resumed(site: Site, bucket: str, folder: Path) -> None:
    (folder / "big").write_bytes(os.urandom(20 << 20))
    job = started(site.admin, folder, bucket, rate=1 << 20)
    seen: list[dict[str, Any]] = []
    times: list[float] = []

    def told_in_time() -> bool:
        """Whether the last events came in time; not all have to, as this process may be held up as well."""
        gaps = [later - sooner for sooner, later in pairwise(times)][-3:]
        return len(gaps) == 3 and max(gaps) < 1.2

    for event in events(site.admin, job):
        seen.append(event)
        times.append(time.monotonic())
        if event["state"] == "running" and event["progress"]["rate"] and told_in_time():
            asked(site.admin, job, "cancel")
    assert [event["state"] for event in seen][-1] == "cancelled"
    speeds = [event["progress"]["rate"] for event in seen if event["progress"]["rate"]]
    assert 0 < speeds[0] < 40 << 20
    last = list(events(site.admin, job))
    assert [event["state"] for event in last] == ["cancelled"], "of one that has ended there is one event"
    (folder / "big").write_bytes(os.urandom(1 << 20))  # lest the rest take long
    asked(site.admin, job, "resume")
    done = settled(site.admin, job, *ENDED)
    assert (done["state"], len(keys(site, bucket))) == ("succeeded", 31)
    refused = site.admin.call("POST", f"/v1/syncs/{job['id']}/resume")
    assert (refused.status, refused.json["code"]) == (409, "wrong_state")


def test_a_user_syncs_her_own_buckets_and_sees_her_own_jobs(site: Site, bucket: str, folder: Path) -> None:
    put(site, bucket, "a/b", b"content")
    there = bucket_of(site.ann)
    job = settled(site.ann, started(site.ann, f"{bucket}/a", there))
    assert (job["state"], keys(site, there)) == ("succeeded", ["b"])
    for path in ("", "/plan", "/files", "/events"):
        assert site.bob.call("GET", f"/v1/syncs/{job['id']}{path}").status == 404
    for verb in ("confirm", "cancel", "resume", "undo"):
        assert site.bob.call("POST", f"/v1/syncs/{job['id']}/{verb}").status == 404
    assert job["id"] not in [item["id"] for item in site.bob.call("GET", "/v1/syncs").json["items"]]
    assert site.ann.call("GET", "/v1/syncs?limit=1").json["items"] == [job]
    for source, dest, status, code in (
        (str(folder), there, 403, "not_allowed"),
        (there, str(folder), 403, "not_allowed"),
        (bucket_of(site.bob), there, 404, "bucket_missing"),
        (there, "no-such-bucket", 404, "bucket_missing"),
        (there, f"{there}/below", 422, "invalid"),
        (there, f"{bucket}/.kist/in", 422, "bad_name"),
        ("../x", there, 422, "invalid"),
    ):
        answer = site.ann.call("POST", "/v1/syncs", {"source": source, "dest": dest})
        assert (answer.status, answer.json["code"]) == (status, code), (source, dest)


def test_the_list_is_paged_by_number(site: Site, bucket: str) -> None:
    there = bucket_of(site.ann)
    for _ in range(5):
        settled(site.ann, started(site.ann, bucket, there))
    first = site.ann.call("GET", "/v1/syncs?limit=2").json
    second = site.ann.call("GET", f"/v1/syncs?limit=2&cursor={first['next']}").json
    numbers = [item["number"] for item in first["items"] + second["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 4
    assert site.ann.call("GET", "/v1/syncs?cursor=x").status == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"at_once": 65},
        {"compare": "luck"},
        {"max_delete": -1},
        {"wait": 1},
        {"undo_of": "x"},
        {"source": 1},
    ],
)
def test_what_is_no_sync(site: Site, bucket: str, wrong: dict[str, Any]) -> None:
    answer = site.ann.call("POST", "/v1/syncs", {"source": f"{bucket}/a", "dest": f"{bucket}/b", **wrong})
    assert answer.status == 422


def test_where_another_job_is_at_work_none_is_started(site: Site, bucket: str, folder: Path) -> None:
    (folder / "big").write_bytes(os.urandom(1 << 20))
    job = started(site.admin, folder, bucket, rate=1 << 14)  # it takes a minute, unless it is cancelled
    answer = site.admin.call("POST", "/v1/syncs", {"source": str(folder), "dest": f"{bucket}/below"})
    assert (answer.status, answer.json["code"], answer.json["job"]) == (409, "in_progress", job["number"])
    undo = site.admin.call("POST", f"/v1/syncs/{job['id']}/undo")
    assert (undo.status, undo.json["code"]) == (409, "wrong_state")
    asked(site.admin, job, "cancel")
    assert settled(site.admin, job, *ENDED)["state"] == "cancelled"


def test_one_that_is_sent_again_starts_no_second_job(site: Site, bucket: str) -> None:
    body = {"source": f"{bucket}/a", "dest": f"{bucket}/b"}
    first = site.ann.call("POST", "/v1/syncs", body, idempotency_key="one")
    again = site.ann.call("POST", "/v1/syncs", body, idempotency_key="one")
    assert (first.status, again.status, again.json) == (202, 202, first.json)
    other = site.ann.call("POST", "/v1/syncs", {**body, "delete": True}, idempotency_key="one")
    assert other.status == 422
    job = settled(site.ann, first.json)
    undo = site.ann.call("POST", f"/v1/syncs/{job['id']}/undo", idempotency_key="two")
    settled(site.ann, undo.json)
    assert site.ann.call("POST", f"/v1/syncs/{job['id']}/undo", idempotency_key="two").json == undo.json


def test_two_that_are_sent_at_once_start_one_job(site: Site, bucket: str) -> None:
    async def both() -> list[Any]:
        twice = (
            site.kist.jobs.start(ROOT, f"{bucket}/a", f"{bucket}/b", repeat=Repeat(bucket, "same")) for _ in range(2)
        )
        return await asyncio.gather(*twice)

    one, other = site.run(both())
    assert one == other
    settled(site.admin, {"id": one.id})


def test_numbers_that_no_job_has(site: Site) -> None:
    for number in ("0", "9" * 18, "9" * 19, "9" * 20, "9" * 200, "%D9%A3"):
        assert site.admin.call("GET", f"/v1/syncs/{number}").status == 404


def test_head_tells_that_there_is_a_stream_and_ends(site: Site, bucket: str) -> None:
    job = started(site.ann, f"{bucket}/a", f"{bucket}/b")
    answer = site.ann.call("HEAD", f"/v1/syncs/{job['id']}/events")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/event-stream", b"")


def waits(site: Site, bucket: str, folder: Path) -> dict[str, Any]:
    """A job that waits for a yes."""
    settled(site.admin, started(site.admin, folder, bucket))
    (folder / "0/00.txt").unlink()
    return settled(site.admin, started(site.admin, folder, bucket, delete=True, max_delete=0))


def test_whoever_leaves_is_no_longer_told(site: Site, bucket: str, folder: Path) -> None:
    job = waits(site, bucket, folder)
    counted: list[str] = []
    get = site.kist.jobs.get

    async def counting(actor: Any, job_id: str) -> Any:
        counted.append(job_id)
        return await get(actor, job_id)

    site.kist.jobs.get = counting  # type: ignore[method-assign]
    try:
        address = urlsplit(site.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE) as line:
            head = (f"GET /v1/syncs/{job['id']}/events HTTP/1.1", "host: x", f"authorization: Bearer {site.admin.key}")
            line.sendall("\r\n".join((*head, "", "")).encode())
            assert b"data: " in line.recv(1 << 16) + line.recv(1 << 16)
        # That nobody is there shows when what was sent comes back, and the next event cannot be sent.
        until, before = time.monotonic() + PATIENCE, 0
        while len(counted) != before:
            assert time.monotonic() < until, "still told"
            before = len(counted)
            time.sleep(2)
    finally:
        site.kist.jobs.get = get  # type: ignore[method-assign]
    asked(site.admin, job, "cancel")


def test_a_server_that_stops_ends_the_stream(site: Site, bucket: str, folder: Path) -> None:
    job = waits(site, bucket, folder)
    stream = events(site.admin, job)
    assert next(stream)["state"] == "needs_confirmation"
    site.kist.draining = True
    try:
        assert len(list(stream)) <= 2
    finally:
        site.kist.draining = False
    assert asked(site.admin, job, "cancel")["state"] == "cancelled"
