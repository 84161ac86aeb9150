"""The contract of the S3 Synchronization API with ``storage_url``: syncs to other S3 servers."""

from __future__ import annotations

import os

import pytest
from tests.dialects.s3sync_elsewhere import Elsewhere
from tests.dialects.s3sync_site import STEP, eventually, folder, new_bucket, refused


def test_a_sync_mirrors_a_folder_in_a_bucket_that_is_made(elsewhere: Elsewhere) -> None:
    """Steps 3 to 6 of the contract."""
    mirror = elsewhere.mirror
    source, dest = folder(mirror), new_bucket()
    assert elsewhere.sync(source=source, dest=dest) | {"id": 0} == {"id": 0, "status": "success", "progress": "100%"}
    assert elsewhere.objects(dest) == {"000": b"0", "001": b"1", "002": b"2"}
    assert dest not in mirror.buckets(), "it is not one of Kist's own store"
    mirror.write(f"{source}/new/é ?&", b"new")
    mirror.write(f"{source}/000", b"another", age=0)
    (mirror.uploads / source / "001").unlink()
    again = elsewhere.sync(source=source, dest=dest)
    assert again["status"] == "success"
    assert elsewhere.objects(dest) == {"000": b"another", "002": b"2", "new/é ?&": b"new"}
    assert sorted(elsewhere.aside(dest).values()) == [b"0", b"1"]
    job = elsewhere.job(again["id"])
    assert job["dest"] == f"s3+{elsewhere.server.endpoint}/{dest}"
    assert (job["progress"]["files"], job["progress"]["deleted"]) == (2, 1)
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    assert elsewhere.job(again["id"] + 1)["progress"]["files"] == 0


def test_a_large_file_goes_in_parts(elsewhere: Elsewhere) -> None:
    source, dest, data = folder(elsewhere.mirror, 0), new_bucket(), os.urandom(65 << 20)
    elsewhere.mirror.write(f"{source}/large", data)
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    assert elsewhere.objects(dest) == {"large": data}


def test_what_others_have_put_there_stays(elsewhere: Elsewhere) -> None:
    source, dest = folder(elsewhere.mirror), new_bucket()
    elsewhere.client.create_bucket(Bucket=dest)
    elsewhere.client.put_object(Bucket=dest, Key="theirs", Body=b"theirs")
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    (elsewhere.mirror.uploads / source / "001").unlink()
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    assert elsewhere.objects(dest) == {"000": b"0", "002": b"2", "theirs": b"theirs"}


def test_a_bucket_of_the_same_name_in_kists_own_store_is_another(elsewhere: Elsewhere) -> None:
    """What a sync has put into the one is not taken for its own in the other."""
    mirror, source, dest = elsewhere.mirror, folder(elsewhere.mirror), new_bucket()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    elsewhere.client.create_bucket(Bucket=dest)
    elsewhere.client.put_object(Bucket=dest, Key="001", Body=b"1")
    (mirror.uploads / source / "001").unlink()
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    assert elsewhere.objects(dest) == {"000": b"0", "001": b"1", "002": b"2"}
    assert mirror.objects(dest) == {"000": b"0", "001": b"1", "002": b"2"}
    catalogue = mirror.site.kist._ports.catalogue
    for named, keys in ((dest, ["000", "001", "002"]), (f"s3+{elsewhere.server.endpoint}/{dest}", ["000", "002"])):
        assert [entry.key for entry in mirror.site.run(catalogue.entries(named, 9))] == keys


def test_nothing_is_deleted_by_mistake(elsewhere: Elsewhere) -> None:
    source, dest = folder(elsewhere.mirror, 30), new_bucket()
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    there = elsewhere.objects(dest)
    for path in sorted((elsewhere.mirror.uploads / source).iterdir())[:20]:
        path.unlink()
    waits = elsewhere.sync(source=source, dest=dest)
    assert waits["status"].startswith("error (needs confirmation: 20 of 30 files")
    assert elsewhere.objects(dest) == there
    assert elsewhere.kept() == 1, "they are needed once somebody says yes"
    plan = elsewhere.job(waits["id"])["plan"]
    assert elsewhere.act(waits["id"], "confirm", plan=plan).status == 202
    assert elsewhere.ended(waits["id"])["state"] == "succeeded"
    assert len(elsewhere.objects(dest)) == 10
    assert elsewhere.kept() == 0
    for missing in ("typo", folder(elsewhere.mirror, 0)):
        assert elsewhere.sync(source=missing, dest=dest)["status"].startswith("error (")
    assert len(elsewhere.objects(dest)) == 10


def test_a_sync_is_taken_back_with_the_keys_given_again(elsewhere: Elsewhere) -> None:
    source, dest = folder(elsewhere.mirror), new_bucket()
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    elsewhere.mirror.write(f"{source}/000", b"another", age=0)
    (elsewhere.mirror.uploads / source / "001").unlink()
    number = elsewhere.sync(source=source, dest=dest)["id"]
    without = elsewhere.act(number, "undo")
    assert (without.status, without.json["code"]) == (422, "endpoint_refused")
    undone = elsewhere.act(number, "undo", **elsewhere.keys)
    assert undone.status == 202
    assert elsewhere.ended(undone.json["number"])["state"] == "succeeded"
    assert elsewhere.objects(dest) == {"000": b"0", "001": b"1", "002": b"2"}
    assert elsewhere.kept() == 0


def test_cancelled_and_resumed_with_the_keys_given_again(elsewhere: Elsewhere) -> None:
    source, dest = folder(elsewhere.mirror), new_bucket()
    with elsewhere.mirror.stepping() as go:
        number = elsewhere.sync(source=source, dest=dest, wait=STEP, background=True)["id"]
        go(1)
        eventually(lambda: elsewhere.job(number)["progress"]["files"])
        assert elsewhere.kept() == 1
        other = elsewhere.ask(source=source, dest=dest)
        refused(other, 409, f"job {number} is at work there")
        assert elsewhere.mirror.ask("cancel", id=number).json["status"] == "cancelled"
        assert elsewhere.ended(number)["state"] == "cancelled"
        assert elsewhere.kept() == 0
        assert len(elsewhere.objects(dest)) == 1
        assert elsewhere.act(number, "resume").status == 422
        assert elsewhere.act(number, "resume", **elsewhere.keys).status == 202
        go(2)
        assert elsewhere.ended(number)["state"] == "succeeded"
    assert elsewhere.objects(dest) == {"000": b"0", "001": b"1", "002": b"2"}
    assert elsewhere.kept() == 0


def test_a_job_that_waits_is_cancelled_without_its_keys_being_left(elsewhere: Elsewhere) -> None:
    source, dest = folder(elsewhere.mirror, 30), new_bucket()
    assert elsewhere.sync(source=source, dest=dest)["status"] == "success"
    for path in sorted((elsewhere.mirror.uploads / source).iterdir())[:20]:
        path.unlink()
    number = elsewhere.sync(source=source, dest=dest)["id"]
    assert elsewhere.kept() == 1
    elsewhere.mirror.ask("cancel", id=number)
    assert elsewhere.job(number)["state"] == "cancelled"
    assert elsewhere.kept() == 0


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_wrong_keys_are_an_error_of_the_sync(elsewhere: Elsewhere, wrong: str) -> None:
    source, dest = folder(elsewhere.mirror), new_bucket()
    ended = elsewhere.with_keys(**{wrong: "WRONGKEY0000"}).sync(source=source, dest=dest)
    assert (ended["status"], ended["progress"]) == ("error (s3 storage connection)", "0%")
    assert elsewhere.job(ended["id"])["reason"].startswith("store_refused: ")
    assert elsewhere.kept() == 0


def test_only_admins_sync_elsewhere(elsewhere: Elsewhere) -> None:
    refused(elsewhere.ask(elsewhere.mirror.site.ann, dest=new_bucket()), 403)
    dest = f"s3+{elsewhere.server.endpoint}/bucket"
    asked = {"source": elsewhere.mirror.site.settings.bucket, "dest": dest, **elsewhere.keys}
    answer = elsewhere.mirror.site.ann.call("POST", "/v1/syncs", asked)
    assert (answer.status, answer.json["code"]) == (403, "not_allowed")


def test_the_native_api_syncs_buckets_both_ways(elsewhere: Elsewhere) -> None:
    mirror, bucket, own = elsewhere.mirror, new_bucket(), new_bucket()
    assert mirror.admin.call("POST", "/v1/buckets", {"name": own}).status == 201
    mirror.plant(own, "from/a", b"here")
    elsewhere.client.create_bucket(Bucket=bucket)
    there = f"s3+{elsewhere.server.endpoint}/{bucket}"
    for source, dest in ((f"{own}/from", f"{there}/deep"), (f"{there}/deep", f"{own}/back")):
        answer = mirror.admin.call("POST", "/v1/syncs", {"source": source, "dest": dest, **elsewhere.keys})
        assert answer.status == 202, answer.body
        assert elsewhere.ended(answer.json["number"])["state"] == "succeeded"
    assert elsewhere.objects(bucket) == {"deep/a": b"here"}
    assert mirror.objects(own) == {"from/a": b"here", "back/a": b"here"}


def test_a_bucket_that_is_absent_is_made_by_the_older_contract_alone(elsewhere: Elsewhere) -> None:
    mirror, absent = elsewhere.mirror, new_bucket()
    asked = {"source": mirror.site.settings.bucket, "dest": f"s3+{elsewhere.server.endpoint}/{absent}"}
    answer = mirror.admin.call("POST", "/v1/syncs", asked | elsewhere.keys)
    ended = elsewhere.ended(answer.json["number"])
    assert (ended["state"], ended["reason"].partition(":")[0]) == ("failed", "bucket_missing")
