"""The contract of the S3 Synchronization API as scenarios: what its users type, and what they get."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.dialects.s3sync_site import STEP, Mirror, eventually, new_bucket, shown

from kist.dialects.s3sync import _shown
from kist.model.job import Job, JobState, Progress, SyncOptions
from kist.system import SystemClock

FORM = "application/x-www-form-urlencoded"
ROUTES = ("sync", "runnings", "get", "cancel")

EXAMPLES = {
    "folder1/file1.txt": b"one",
    "folder1/folder2/file2.txt": b"two",
    "folder2/Bucket-icon.png": b"\x89PNG",
}
"""The files that the contract comes with."""


def fill(mirror: Mirror) -> str:
    """The examples in a new folder of the uploads; its name."""
    name = f"case-{uuid.uuid4().hex[:8]}"
    for path, data in EXAMPLES.items():
        mirror.write(f"{name}/{path}", data)
    return name


# 5.1 Endpoints


def test_a_sync_blocks_until_it_is_over_and_answers_what_became_of_it(mirror: Mirror) -> None:
    """[DOC] The keys are the paths below the source folder, with slashes."""
    source, dest = fill(mirror), new_bucket()
    answer = mirror.ask("sync", source=source, dest=dest)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert shown(answer.json) == {"id": answer.json["id"], "status": "success", "progress": "100%"}
    assert mirror.objects(dest) == EXAMPLES


def test_the_source_is_the_whole_of_the_uploads_and_the_bucket_mybucket_by_default(mirror: Mirror) -> None:
    """[DOC]"""
    source = fill(mirror)
    assert mirror.sync()["status"] == "success"
    assert mirror.objects("mybucket") | {f"{source}/{path}": data for path, data in EXAMPLES.items()} == mirror.objects(
        "mybucket"
    )
    assert mirror.sync(source="", dest="mybucket")["status"] == "success"


def test_a_part_of_the_uploads(mirror: Mirror) -> None:
    source, dest = fill(mirror), new_bucket()
    for spelled in (f"{source}/folder1/folder2", f"{source}/folder1/folder2/", f"uploads:{source}/folder1/folder2"):
        assert mirror.sync(source=spelled, dest=dest)["status"] == "success"
        assert mirror.objects(dest) == {"file2.txt": b"two"}


def test_ids_are_integers_that_count(mirror: Mirror) -> None:
    source, dest = fill(mirror), new_bucket()
    first, second = mirror.sync(source=source, dest=dest), mirror.sync(source=source, dest=dest)
    assert second["id"] == first["id"] + 1


@pytest.mark.parametrize("kind", ["query", "form", "multipart", "json"])
def test_by_post_as_well_with_the_parameters_in_the_body(mirror: Mirror, kind: str) -> None:
    source, dest = fill(mirror), new_bucket()
    sent: dict[str, Any] = {"source": source, "dest": dest, "wait": "0"}
    admin = mirror.admin
    answer = {
        "query": lambda: admin.call("POST", "/sync?" + urlencode(sent)),
        "form": lambda: admin.call("POST", "/sync", urlencode(sent), content_type=FORM),
        "multipart": lambda: admin.form("POST", "/sync", sent),
        "json": lambda: admin.call("POST", "/sync", {**sent, "wait": 0, "background": False}),
    }[kind]()
    assert shown(answer.json)["status"] == "success", answer.body
    assert mirror.objects(dest) == EXAMPLES
    number = answer.json["id"]
    for path in ("get", "cancel"):
        by_form = admin.call("POST", f"/{path}", urlencode({"id": number}), content_type=FORM)
        assert (by_form.status, by_form.json) == (200, answer.json)
        assert admin.call("POST", f"/{path}", {"id": number}).json == answer.json
    assert admin.call("POST", "/runnings", b"").json == []


@pytest.mark.parametrize("path", ROUTES)
def test_no_other_method(mirror: Mirror, path: str) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        answer = mirror.admin.call(method, f"/{path}?id=1")
        assert answer.status == 405
        assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


def test_with_a_slash_at_the_end_or_without(mirror: Mirror) -> None:
    for path in ("/runnings", "/runnings/"):
        assert mirror.admin.call("GET", path).json == []


def test_a_sync_can_be_watched_from_other_requests_while_it_runs(mirror: Mirror) -> None:
    """[DOC] ``/runnings``, ``/get`` and ``/cancel`` work while ``/sync`` blocks."""
    source, dest = fill(mirror), new_bucket()
    with mirror.stepping() as go:
        waiting, number = mirror.begun(source=source, dest=dest, wait=STEP)
        assert mirror.get(number) == {"id": number, "status": "running", "progress": "0%"}
        assert number in [shown(each)["id"] for each in mirror.ask("runnings").json]
        go(1)
        eventually(lambda: mirror.get(number)["progress"] == "33%")
        assert len(mirror.objects(dest)) == 1
        go(1)
        eventually(lambda: mirror.get(number)["progress"] == "66%")
        assert not waiting.done()
        go(1)
        assert waiting.result().json == {"id": number, "status": "success", "progress": "100%"}
    assert number not in mirror.running()
    assert mirror.get(number) == waiting.result().json


def test_with_a_wait_there_is_one_operation_at_a_time(mirror: Mirror) -> None:
    """[DOC] Each after so many seconds."""
    source, dest = fill(mirror), new_bucket()
    began = time.monotonic()
    assert mirror.sync(source=source, dest=dest, wait=1)["status"] == "success"
    assert time.monotonic() - began >= 3


def test_a_cancelled_sync_stops_before_its_next_operation(mirror: Mirror) -> None:
    """[DOC] The one under way still counts."""
    source, dest = fill(mirror), new_bucket()
    with mirror.stepping() as go:
        waiting, number = mirror.begun(source=source, dest=dest, wait=STEP)
        go(1)
        eventually(lambda: mirror.get(number)["progress"] == "33%")
        go(1)  # this one may be under way by then
        answer = mirror.ask("cancel", id=number)
        assert (answer.status, shown(answer.json)["status"]) == (200, "cancelled")
        ended = waiting.result().json
    assert (ended["id"], ended["status"]) == (number, "cancelled")
    assert ended["progress"] in ("33%", "66%")
    assert len(mirror.objects(dest)) == {"33%": 1, "66%": 2}[ended["progress"]]
    assert mirror.get(number) == ended
    assert number not in mirror.running()


def test_cancelling_what_has_ended_changes_nothing(mirror: Mirror) -> None:
    """[DOC]"""
    ended = mirror.sync(source=fill(mirror), dest=new_bucket())
    assert mirror.ask("cancel", id=ended["id"]).json == ended
    assert mirror.get(ended["id"]) == ended


def test_runnings_may_be_empty(mirror: Mirror) -> None:
    answer = mirror.ask("runnings")
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, "application/json", [])


def test_in_the_background_the_answer_comes_at_once(mirror: Mirror) -> None:
    source, dest = fill(mirror), new_bucket()
    began = mirror.sync(source=source, dest=dest, background=1)
    assert (began["status"], began["progress"]) == ("running", "0%")
    ended = eventually(lambda: [now for now in [mirror.get(began["id"])] if now["status"] != "running"])[0]
    assert (ended["status"], ended["progress"]) == ("success", "100%")
    assert mirror.objects(dest) == EXAMPLES


# 5.2 What a sync does


def test_what_is_missing_is_sent_what_differs_is_sent_again_and_what_is_gone_is_deleted(mirror: Mirror) -> None:
    """[SRC][RUN] Steps 4 to 6."""
    source, dest = fill(mirror), new_bucket()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    mirror.write(f"{source}/new/file.txt", b"new")
    mirror.write(f"{source}/folder1/file1.txt", b"ONE", age=0)
    (mirror.uploads / source / "folder2/Bucket-icon.png").unlink()
    assert mirror.sync(source=source, dest=dest) | {"id": 0} == {"id": 0, "status": "success", "progress": "100%"}
    assert mirror.objects(dest) == {
        "folder1/file1.txt": b"ONE",
        "folder1/folder2/file2.txt": b"two",
        "new/file.txt": b"new",
    }


def test_files_only_an_empty_folder_is_nothing(mirror: Mirror) -> None:
    """[SRC] Step 2."""
    source, dest = fill(mirror), new_bucket()
    (mirror.uploads / source / "nothing here").mkdir()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    assert mirror.objects(dest) == EXAMPLES


def test_a_sync_with_nothing_to_do_ends_with_100_percent(mirror: Mirror) -> None:
    """The original went on saying 0%."""
    source, dest = fill(mirror), new_bucket()
    mirror.sync(source=source, dest=dest)
    again = mirror.sync(source=source, dest=dest)
    assert (again["status"], again["progress"]) == ("success", "100%")


def test_the_bucket_is_made_and_one_that_is_there_is_as_good(mirror: Mirror) -> None:
    """[SRC] Step 3. Also one of another user, one that the store holds and nobody made here, and the base bucket."""
    source = fill(mirror)
    theirs, raw = new_bucket(), new_bucket()
    assert mirror.site.ann.call("POST", "/v1/buckets", {"name": theirs}).status == 201
    mirror.site.run(mirror.site.kist._ports.store.make_bucket(raw))  # type: ignore[attr-defined]
    for bucket in (new_bucket(), theirs, raw, mirror.site.settings.bucket):
        assert mirror.sync(source=source, dest=bucket)["status"] == "success"
        assert mirror.objects(bucket) == EXAMPLES


def test_names_of_any_kind_arrive(mirror: Mirror) -> None:
    files = {"a b": b"1", "日本語/名前": b"2", "q?&=#%20+": b"3", "empty": b"", ".hidden": b"4"}
    source, dest = fill(mirror), new_bucket()
    for name, data in files.items():
        mirror.write(f"{source}/{name}", data)
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    assert mirror.objects(dest) == EXAMPLES | files


# 5.3 Data: statuses and percentages


def job(state: JobState, reason: str = "", **progress: Any) -> Job:
    return Job(
        id="x", number=7, actor="root", admin=True, source="/a", dest="b", options=SyncOptions(), state=state,
        created_at=SystemClock().now(), reason=reason, progress=Progress(**progress),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "status", "progress"),
    [
        (job(JobState.QUEUED), "running", "0%"),
        (job(JobState.PLANNING), "running", "0%"),
        (job(JobState.RUNNING, files=1, files_total=3), "running", "33%"),
        (job(JobState.RUNNING, files=3, files_total=3), "running", "99%"),
        (job(JobState.CANCELLING, files=1, files_total=3), "cancelled", "33%"),
        (job(JobState.CANCELLED, "cancelled", files=1, files_total=3), "cancelled", "33%"),
        (job(JobState.SUCCEEDED), "success", "100%"),
        (job(JobState.SUCCEEDED, files=3, files_total=3), "success", "100%"),
        (job(JobState.SUCCEEDED_WITH_ERRORS, "1 files could not be synced", files=2, files_total=3, errors=1),
         "error (1 files could not be synced)", "99%"),
        (job(JobState.FAILED, "store_unavailable: it broke off"), "error (s3 storage connection)", "0%"),
        (job(JobState.FAILED, "store_refused: AccessDenied"), "error (s3 storage connection)", "0%"),
        (job(JobState.FAILED, "source_missing: the source is empty: no"), "error (the source is empty: no)", "0%"),
        (job(JobState.NEEDS_CONFIRMATION, "9 of 20 files: confirm the job"),
         "error (needs confirmation: 9 of 20 files; kist job confirm 7)", "0%"),
    ],
)  # fmt: skip
def test_how_a_job_is_told(given: Job, status: str, progress: str) -> None:
    answer = _shown(given)
    assert (answer.id, answer.status, answer.progress) == (7, status, progress)


def test_the_answer_is_json_that_any_client_reads(mirror: Mirror) -> None:
    answer = mirror.ask("sync", source=fill(mirror), dest=new_bucket())
    assert answer.body == json.dumps(answer.json, separators=(",", ":")).encode()
