"""``manage.py kist_sync``, ``kist_audit`` and ``kist_worker``, over Django's connection."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from tests.django_host.projects import post, taken_back, user

from kist.django.composition import assembled, kist
from kist.django.models import File, Job, Upload, UploadedFile
from kist.drive import drive
from kist.errors import BucketMissing
from kist.model.actor import Actor, Role
from kist.model.upload import Intent
from kist.wire.body import body_of

ADMIN = Actor("root", Role.ADMIN)


def said(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out, stderr=out)
    return out.getvalue()


def refused(*command: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        said(*command)
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        path = folder / f"{number:02}.txt"
        path.write_text(f"photo {number}")
        os.utime(path, (time.time() - 100,) * 2)
    return folder


def keys(bucket: str) -> list[str]:
    return [listed.key for listed in drive(kist().objects.page(ADMIN, bucket, limit=100)).items]


def test_a_sync_and_back(each_site: Path, folder: Path, tmp_path: Path) -> None:
    bucket = f"sync-{os.urandom(6).hex()}"
    drive(kist().buckets.create(ADMIN, bucket))
    assert "'03.txt'" in said("kist_sync", str(folder), f"{bucket}/p", "--dry-run", "--include", "0*.txt")
    assert keys(bucket) == []
    assert said("kist_sync", str(folder), f"{bucket}/p").strip() == "job 2: 30 sent"
    assert keys(bucket) == [f"p/{number:02}.txt" for number in range(30)]
    assert said("kist_sync", str(folder), f"{bucket}/p").strip() == "job 3: 30 unchanged"
    copy = tmp_path / "copy"
    assert "30 sent" in said("kist_sync", f"{bucket}/p", str(copy), "--rate", "100M", "--at-once", "4")
    assert {path.name: path.read_text() for path in copy.glob("*.txt")} == {
        path.name: path.read_text() for path in folder.iterdir()
    }
    assert set(Job.objects.values_list("state", "actor")) == {("succeeded", "local")}


def test_many_deletions_wait_for_a_yes(site: Path, folder: Path) -> None:
    drive(kist().buckets.create(ADMIN, "photos"))
    said("kist_sync", str(folder), "photos")
    for path in sorted(folder.iterdir())[:20]:
        path.unlink()
    error = refused("kist_sync", str(folder), "photos", "--delete")
    assert (error.returncode, len(keys("photos"))) == (3, 30)
    assert str(error).startswith("nothing was done yet: ")
    Job.objects.filter(state="needs_confirmation").get()
    drive(kist().jobs.cancel(ADMIN, "2"))
    assert "20 deleted" in said("kist_sync", str(folder), "photos", "--delete", "--yes")
    assert len(keys("photos")) == 10


def test_what_is_wrong_is_said(site: Path, folder: Path) -> None:
    assert refused("kist_sync", str(folder), "nowhere").returncode == 2
    assert "--rate" in str(refused("kist_sync", str(folder), "nowhere", "--rate", "fast"))
    drive(kist().buckets.create(ADMIN, "photos"))
    error = refused("kist_sync", str(folder / "absent"), "photos")
    assert (error.returncode, "failed" in str(error)) == (2, True)
    with pytest.raises(BucketMissing):
        drive(kist().objects.page(ADMIN, "nowhere"))


def test_a_sync_that_is_stopped_is_cancelled(site: Path, folder: Path) -> None:
    drive(kist().buckets.create(ADMIN, "photos"))
    (folder / "large.bin").write_bytes(bytes(1 << 20))
    seen: list[str] = []

    def stop() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and not seen:
            time.sleep(0.05)
            seen.extend(Job.objects.filter(state="running").values_list("state", flat=True))
        connections.close_all()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    error = refused("kist_sync", str(folder), "photos", "--rate", "10K")
    thread.join()
    assert (seen, error.returncode) == (["running"], 130)
    assert Job.objects.get().state == "cancelled"


def test_a_sync_that_is_left_to_the_worker(site: Path, folder: Path) -> None:
    drive(kist().buckets.create(ADMIN, "photos"))
    assert "job 1 is queued" in said("kist_sync", str(folder), "photos", "--background")
    assert "jobs 1" in said("kist_worker", "--once")
    assert len(keys("photos")) == 30
    assert Job.objects.get().state == "succeeded"


def test_the_worker_does_the_chores(each_site: Path) -> None:
    ann = user()
    uploaded = UploadedFile.objects.create(user=ann, filename="a.txt")
    assert post(uploaded.get_upload_form(), b"hello") == (204, "")
    Upload.objects.filter(state="open").update(deadline=datetime(2001, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    assert "expire 1" in said("kist_worker", "--once")
    assert Upload.objects.get().state == "expired"
    assert UploadedFile.objects.get().file_upload_state == "AWAIT_COMPLETE"


def test_the_worker_goes_on_until_it_is_stopped(site: Path, folder: Path) -> None:
    drive(kist().buckets.create(ADMIN, "photos"))
    said("kist_sync", str(folder), "photos", "--background")
    done: list[str] = []

    def stop() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and not done:
            time.sleep(0.1)
            if Job.objects.get().state == "succeeded":
                done.append("succeeded")
        connections.close_all()
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    assert "stopped" in said("kist_worker")
    thread.join()
    assert done == ["succeeded"]


def test_an_audit_finds_what_is_lost(site: Path) -> None:
    assert "All fits." in said("kist_audit")
    file = drive(kist().uploads.receive(ADMIN, Intent(name="a.txt"), body_of(b"hello")))
    drive(assembled().ports.store.erase(file.place))
    error = refused("kist_audit")
    assert error.returncode == 4
    assert refused("kist_audit", "--repair").returncode == 3
    assert File.objects.get().state == "ready"
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("kist_audit", "--repair", "--yes", "--json", stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    assert (report["lost"], report["mended"], report["findings"][0]["file"]) == (1, 1, file.id)
    assert File.objects.get().state == "lost"


def test_a_repair_erases_what_a_transaction_that_was_undone_has_stored(site: Path) -> None:
    uploaded = UploadedFile.objects.create(user=user(), filename="a.txt")
    with taken_back():
        uploaded.asset_handler.upload_data(b"hello")
    (left,) = stored(site)
    os.utime(left, (time.time() - 30 * 3600,) * 2)
    assert refused("kist_audit").returncode == 4
    refused("kist_audit", "--repair", "--yes")
    said("kist_worker", "--once")
    assert stored(site) == []
    assert "All fits." in said("kist_audit")


def stored(site: Path) -> list[Path]:
    """The objects on the disk."""
    return [path for path in (site / "objects").rglob("*") if path.is_file() and "/.kist/objects/" in str(path)]
