"""Faults 4 to 6 of the S3 Synchronization API (contracts 5.4): what it deletes, and what it takes for changed."""

from __future__ import annotations

import os
import shutil

import pytest
from tests.acceptance.served import ROOT
from tests.dialects.s3sync_site import STEP, Mirror, eventually, folder, new_bucket, synced

from kist.model.content import PutRules
from kist.model.place import Place

# Fault 4: a typo deletes


def test_a_typo_in_the_source_deletes_nothing(mirror: Mirror) -> None:
    _, dest = synced(mirror)
    before = mirror.objects(dest)
    answer = mirror.sync(source="typo", dest=dest)
    assert answer["status"].startswith("error (the folder ")
    assert (answer["progress"], mirror.objects(dest)) == ("0%", before)


def test_an_empty_source_deletes_nothing(mirror: Mirror) -> None:
    source, dest = synced(mirror)
    before = mirror.objects(dest)
    for path in (mirror.uploads / source).iterdir():
        path.unlink()
    answer = mirror.sync(source=source, dest=dest)
    assert answer["status"] == "error (the source is empty: a sync that deletes takes that for a mistake)"
    assert mirror.objects(dest) == before


def test_objects_that_no_sync_put_there_stay(mirror: Mirror) -> None:
    source, dest = synced(mirror)
    for number in range(10):
        mirror.plant(dest, f"foreign-{number}")
    (mirror.uploads / source / "000").unlink()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    assert set(mirror.objects(dest)) == {"001", "002", *(f"foreign-{number}" for number in range(10))}


def test_many_deletions_wait_for_a_yes(mirror: Mirror) -> None:
    source, dest = synced(mirror, 30)
    for number in range(20):
        (mirror.uploads / source / f"{number:03}").unlink()
    answer = mirror.sync(source=source, dest=dest)
    number = answer["id"]
    assert answer["status"] == (
        f"error (needs confirmation: 20 of 30 files would be deleted, more than a tenth; kist job confirm {number})"
    )
    assert (len(mirror.objects(dest)), mirror.running()) == (30, [])
    mirror.site.run(mirror.site.kist.jobs.confirm(ROOT, str(number)))
    assert eventually(lambda: mirror.get(number)["status"] == "success")
    assert len(mirror.objects(dest)) == 10


# Fault 5: the bucket goes whether or not it may


def test_with_the_setting_the_bucket_of_an_empty_source_is_removed(removing: Mirror) -> None:
    source, dest = synced(removing)
    for path in (removing.uploads / source).iterdir():
        path.unlink()
    answer = removing.sync(source=source, dest=dest)
    assert (answer["status"], answer["progress"]) == ("success", "100%")
    assert dest not in removing.buckets()
    removing.write(f"{source}/again", b"again")
    assert removing.sync(source=source, dest=dest)["status"] == "success"
    assert removing.objects(dest) == {"again": b"again"}


def test_with_the_setting_the_bucket_of_a_missing_source_is_removed(removing: Mirror) -> None:
    source, dest = synced(removing)
    removing.write(f"{source}/000", b"changed", age=0)
    assert removing.sync(source=source, dest=dest)["status"] == "success"
    shutil.rmtree(removing.uploads / source)
    assert removing.sync(source=source, dest=dest)["status"] == "success"
    assert dest not in removing.buckets()


def test_a_new_bucket_goes_again_where_there_is_nothing_to_sync(removing: Mirror) -> None:
    dest = new_bucket()
    assert removing.sync(source="typo", dest=dest)["status"] == "success"
    assert dest not in removing.buckets()


@pytest.mark.parametrize("what", ["foreign", "changed", "file", "part"])
def test_the_bucket_stays_with_all_that_is_in_it_where_anything_came_another_way(removing: Mirror, what: str) -> None:
    source, dest = synced(removing)
    ports = removing.site.kist._ports
    if what == "foreign":
        removing.plant(dest, "theirs")
    elif what == "changed":
        removing.plant(dest, "001", b"other bytes")
    elif what == "file":
        removing.admin.call("POST", f"/v1/files?name=x&bucket={dest}", b"1")
    else:
        assert ports.takes_parts is not None
        removing.site.run(ports.takes_parts.start_parts(Place(dest, "large"), PutRules()))
    before = removing.objects(dest)
    shutil.rmtree(removing.uploads / source)
    status = removing.sync(source=source, dest=dest)["status"]
    expected = {
        "foreign": "its bucket is kept: 1 in it came by no sync, theirs first",
        "changed": "its bucket is kept: 1 in it came by no sync, 001 first",
        "file": "the bucket holds files",
        "part": "under way",
    }
    assert status.startswith("error (")
    assert expected[what] in status
    assert (dest in removing.buckets(), removing.objects(dest)) == (True, before)


def test_the_base_bucket_and_those_that_were_not_made_here_stay(removing: Mirror) -> None:
    raw = new_bucket()
    removing.site.run(removing.site.kist._ports.store.make_bucket(raw))  # type: ignore[attr-defined]
    for dest in (raw, removing.site.settings.bucket):
        source = folder(removing)
        assert removing.sync(source=source, dest=dest)["status"] == "success"
        before = removing.objects(dest)
        shutil.rmtree(removing.uploads / source)
        assert removing.sync(source=source, dest=dest)["status"].startswith("error (")
        assert (dest in removing.buckets(), removing.objects(dest)) == (True, before)


def test_a_source_that_cannot_be_read_removes_nothing(removing: Mirror) -> None:
    source, dest = synced(removing)
    (removing.uploads / source).rename(removing.uploads / f"{source}-real")
    (removing.uploads / source).write_text("a file where the folder was")
    before = removing.objects(dest)
    assert removing.sync(source=source, dest=dest)["status"].startswith("error (the folder ")
    assert removing.objects(dest) == before


def test_another_empty_folder_in_the_place_of_the_source_waits_for_a_yes(removing: Mirror) -> None:
    """What an unmounted disk looks like."""
    source, dest = synced(removing)
    (removing.uploads / source).rename(removing.uploads / f"{source}-real")
    (removing.uploads / source).mkdir()
    before = removing.objects(dest)
    answer = removing.sync(source=source, dest=dest)
    assert answer["status"].startswith("error (needs confirmation: the source is empty, and not the folder that")
    assert removing.objects(dest) == before
    removing.site.run(removing.site.kist.jobs.confirm(ROOT, str(answer["id"])))
    assert eventually(lambda: removing.get(answer["id"])["status"] == "success")
    assert dest not in removing.buckets()


def test_more_than_a_hundred_files_wait_for_a_yes(removing: Mirror) -> None:
    source, dest = synced(removing, 101)
    shutil.rmtree(removing.uploads / source)
    answer = removing.sync(source=source, dest=dest)
    assert answer["status"].startswith("error (needs confirmation: the bucket would be removed with 101 files")
    assert len(removing.objects(dest)) == 101
    removing.site.run(removing.site.kist.jobs.cancel(ROOT, str(answer["id"])))
    assert removing.get(answer["id"])["status"] == "cancelled"


def test_a_cancelled_removal_leaves_the_bucket_and_what_was_not_yet_deleted(removing: Mirror) -> None:
    source, dest = synced(removing)
    shutil.rmtree(removing.uploads / source)
    with removing.stepping() as go:
        waiting, number = removing.begun(source=source, dest=dest, wait=STEP)
        go(1)
        eventually(lambda: removing.get(number)["progress"] == "33%")
        assert removing.ask("cancel", id=number).json["status"] == "cancelled"
        assert waiting.result().json["status"] == "cancelled"
    assert dest in removing.buckets()
    assert len(removing.objects(dest)) == 2


# Fault 6: more than a thousand objects, and bytes compared by ETag


def test_more_than_a_thousand_files(mirror: Mirror) -> None:
    source, dest = synced(mirror, 1005)
    assert len(mirror.objects(dest)) == 1005
    (mirror.uploads / source / "1004").unlink()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    assert len(mirror.objects(dest)) == 1004
    assert "1004" not in mirror.objects(dest)


def test_a_large_file_is_not_sent_again(mirror: Mirror) -> None:
    source, dest = folder(mirror), new_bucket()
    mirror.write(f"{source}/large", os.urandom(70 << 20))
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    again = mirror.sync(source=source, dest=dest)
    assert again["status"] == "success"
    job = mirror.site.run(mirror.site.kist.jobs.get(ROOT, str(again["id"])))
    assert (job.progress.files, job.progress.bytes, job.progress.unchanged) == (0, 0, 4)
