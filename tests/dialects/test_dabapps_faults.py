"""The faults of DabApps' own server, each with a test that shows that it is gone (contracts 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.acceptance.direct_sites import direct_site
from tests.acceptance.served import Serve, Site
from tests.dialects.dabapps_holder import KEPT, NO_FILE, PNG, Uploader, given, on_disk
from tests.dialects.grounds import GROUNDS

from kist.model.actor import Actor
from kist.model.file import FileState
from kist.model.upload import UploadState

MOUNT = "/s3-file-uploads"


@pytest.fixture(scope="module", params=GROUNDS)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ground, home = request.param, tmp_path_factory.mktemp("home")
    with (
        ground.database(request) as rows,
        direct_site(ground.store, home, request, serve=ground.serve, database=rows) as site,
    ):
        yield site


@pytest.fixture
def ann(stored: Site) -> Uploader:
    return Uploader(stored.ann)


def test_1_nobody_fetches_or_completes_what_is_another_users(stored: Site, ann: Uploader) -> None:
    made = ann.create(filename="secret.txt")
    ann.post(made, b"secret")
    bob = Uploader(stored.bob)
    for answer in (bob.complete(made), bob.fetch(made)):
        assert (answer.status, answer.json) == (404, NO_FILE)
    assert ann.fetch(made).status == 404
    assert ann.complete(made).status == 200
    for answer in (bob.complete(made), bob.fetch(made)):
        assert (answer.status, answer.json) == (404, NO_FILE)
        assert "location" not in answer.headers


def test_2_complete_looks_at_what_has_come(stored: Site, ann: Uploader) -> None:
    made = ann.create(filename="photo.png")
    answer = ann.complete(made)
    assert (answer.status, set(answer.json)) == (409, {"detail"})
    assert ann.post(made, PNG).status == 204
    assert ann.complete(made).status == 200
    file = stored.ann.call("GET", f"/v1/files/{made['id']}").json
    assert (file["size"], file["type"], file["state"]) == (len(PNG), "image/png", "ready")


def test_3_there_is_nothing_to_fetch_before_it_is_complete(ann: Uploader) -> None:
    made = ann.create(filename="a")
    assert ann.fetch(made).json == NO_FILE
    ann.post(made, b"data")
    assert ann.fetch(made).json == NO_FILE
    ann.complete(made)
    assert ann.fetch(made).status == 302


def test_3_there_is_nothing_to_fetch_once_it_is_removed(stored: Site, ann: Uploader) -> None:
    made = ann.upload(b"data")
    assert stored.ann.call("DELETE", f"/v1/files/{made['id']}").status == 204
    assert (ann.fetch(made).json, ann.complete(made).json) == (NO_FILE, NO_FILE)


def test_4_nobody_may_write_whatever_is_asked_for(stored: Site, ann: Uploader) -> None:
    for user in (ann, Uploader(stored.admin)):
        answer = user.ask({"acl": "public-read-write"})
        assert (answer.status, answer.json) == (400, {"acl": ['"public-read-write" is not a valid choice.']})


@pytest.mark.parametrize("acl", ["private", "public-read", "authenticated-read"])
def test_4_a_bucket_that_holds_no_acls_is_never_sent_one(stored: Site, ann: Uploader, acl: str) -> None:
    made = ann.create(filename="a", acl=acl)
    assert made["upload_form"]["fields"]["acl"] in KEPT
    assert ann.post(made, b"data").status == 204
    assert ann.complete(made).status == 200
    file = stored.run(stored.kist._ports.catalogue.file(made["id"]))
    assert file.visibility.value == acl
    if not on_disk(stored):
        endpoint = made["upload_form"]["url"].rstrip("/")
        assert given(f"{endpoint}/{file.key}").status == 403
    may_read = 302 if acl != "private" else 404
    assert Uploader(stored.bob).fetch(made).status == may_read


@pytest.mark.parametrize(("acl", "status"), [("private", 403), ("public-read", 200)])
def test_4_where_the_bucket_holds_acls_the_sealed_object_has_the_word(
    request: pytest.FixtureRequest, tmp_path: Path, serve: Serve, acl: str, status: int
) -> None:
    with direct_site("rgw", tmp_path, request, serve=serve, KIST_BUCKET_ACLS="1") as site:
        ann = Uploader(site.ann)
        made = ann.create(acl=acl)
        fields, bucket = made["upload_form"]["fields"], made["upload_form"]["url"].rstrip("/")
        assert fields["acl"] in KEPT
        assert ann.post(made, b"data", acl="public-read-write").status == 403
        assert ann.post(made, b"data").status == 204
        assert given(f"{bucket}/{fields['key']}").status == 403, "nobody has looked at these bytes yet"
        assert ann.complete(made).status == 200
        file = site.run(site.kist._ports.catalogue.file(made["id"]))
        assert given(f"{bucket}/{file.key}").status == status


def test_5_ids_that_are_no_uuids_are_not_found(stored: Site) -> None:
    for method, end in (("GET", ""), ("POST", "complete/")):
        answer = stored.ann.call(method, f"{MOUNT}/abc/{end}")
        assert (answer.status, answer.json) == (404, NO_FILE)


def test_5_names_come_by_forms_as_well(stored: Site, ann: Uploader) -> None:
    urlencoded = "application/x-www-form-urlencoded"
    for answer in (
        ann.ask(b"filename=caf%C3%A9+1.txt&acl=private", content_type=urlencoded),
        stored.ann.form("POST", f"{MOUNT}/", {"filename": "café 1.txt", "acl": "private"}),
    ):
        assert (answer.status, answer.json["filename"]) == (201, "café 1.txt"), answer.body
        assert stored.ann.call("GET", f"/v1/files/{answer.json['id']}").status == 404
    assert ann.ask(b"acl=private", content_type=urlencoded).status == 201


def test_5_the_file_key_is_kept_and_never_chooses_a_key(stored: Site, ann: Uploader) -> None:
    label = "invoices/2026/" + "ü" * 241
    made = ann.create(file_key=label, filename="a")
    assert made["file_key"] == label
    assert "invoices" not in made["upload_form"]["fields"]["key"]
    ann.post(made, b"data")
    ann.complete(made)
    assert stored.ann.call("GET", f"/v1/files/{made['id']}").json["metadata"] == {"file_key": label}
    other = ann.upload(b"other", file_key=label)
    assert (ann.read(made).body, ann.read(other).body) == (b"data", b"other")


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("photo.PNG", "image/png"),
        ("doc.pdf", "application/pdf"),
        ("a.b/c.json", "application/json"),
        ("noextension", "application/octet-stream"),
        ("odd.zzz", "application/octet-stream"),
    ],
)
def test_5_the_type_is_kept(stored: Site, ann: Uploader, name: str, type: str) -> None:
    read = ann.read(ann.upload(PNG, filename=name))
    assert (read.status, read.headers["content-type"]) == (200, type)


@pytest.mark.parametrize("name", ['say "hi".txt', "日本語.txt", "a;b=c.txt", "100%.txt", "naïve’s.txt", "a\u00a0b"])
def test_5_names_do_not_break_the_disposition(ann: Uploader, name: str) -> None:
    made = ann.upload(b"data", filename=name)
    assert made["filename"] == name
    read = ann.read(made)
    shown = read.headers["content-disposition"]
    assert (read.status, read.body, shown.count('"')) == (200, b"data", 2)
    assert shown.startswith('attachment; filename="')


def test_5_line_ends_reach_no_header(ann: Uploader) -> None:
    answer = ann.ask({"filename": 'a"\r\nSet-Cookie: x=1'})
    assert (answer.status, set(answer.json)) == (400, {"filename"})


def test_5_empty_files_are_files(stored: Site, ann: Uploader) -> None:
    made = ann.upload(b"", filename="empty.txt")
    read = ann.read(made)
    assert (read.status, read.body) == (200, b"")
    assert stored.ann.call("GET", f"/v1/files/{made['id']}").json["size"] == 0


def test_6_files_are_listed_replaced_and_removed_by_the_native_api(stored: Site, ann: Uploader) -> None:
    made = ann.upload(b"old", filename="six.txt")
    (listed,) = stored.ann.call("GET", "/v1/files?q=six.txt").json["items"]
    assert listed["id"] == made["id"]
    ticket = stored.ann.call("POST", "/v1/uploads", {"file": made["id"], "way": "form"}).json
    assert ann.post({"upload_form": ticket}, b"new").status == 204
    assert ann.read(made).body == b"old"
    assert ann.complete(made).json == {"status": "COMPLETED"}
    assert ann.read(made).body == b"new"
    assert stored.ann.call("DELETE", f"/v1/files/{made['id']}").status == 204


def test_6_what_is_abandoned_ends(stored: Site, ann: Uploader) -> None:
    made = ann.create(filename="a")
    ports = stored.kist._ports
    upload = stored.run(stored.kist.tickets.pending(Actor("ann"), made["id"]))
    assert upload.expires_at is not None
    assert upload.expires_at - upload.started_at == timedelta(seconds=300)
    assert upload.deadline == upload.expires_at + ports.limits.late_write
    file = stored.run(ports.catalogue.file(made["id"]))
    assert (upload.state, file.state) == (UploadState.OPEN, FileState.PENDING)


def test_7_what_is_posted_after_completion_changes_nothing(stored: Site, ann: Uploader) -> None:
    made = ann.upload(b"good", filename="a.txt")
    # Our own door knows that the upload has ended; S3 takes the bytes, to where nobody reads them.
    assert ann.post(made, b"evil").status == (403 if on_disk(stored) else 204)
    assert ann.read(made).body == b"good"
    assert ann.complete(made).json == NO_FILE
    assert ann.read(made).body == b"good"


def test_8_the_address_of_the_file_works_once_it_is_complete(stored: Site, ann: Uploader) -> None:
    made = ann.create(filename="a.txt")
    assert made["file"] == f"{stored.url}{made['file_path']}"
    assert "?" not in made["file"]
    ann.post(made, b"data")
    ann.complete(made)
    assert ann.read(made).body == b"data"


def test_an_admin_who_fetches_what_is_anothers_is_written_down(stored: Site, ann: Uploader) -> None:
    made = ann.create(filename="a.txt")
    assert ann.post(made, b"data").status == 204
    assert ann.complete(made).status == 200

    def reads() -> list[str]:
        entries = stored.run(stored.kist._ports.catalogue.audit(100))
        return [entry.actor for entry in entries if entry.thing == f"file:{made['id']}" and entry.action == "read"]

    assert ann.fetch(made).status == 302
    assert reads() == []
    assert Uploader(stored.admin).fetch(made).status == 302
    assert reads() == ["root"]
