"""DabApps' contract as scenarios: each line of it, on disk and on Ceph, with forms posted as browsers post them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.acceptance.direct_sites import direct_site
from tests.acceptance.served import Answer, Site
from tests.dialects.dabapps_holder import (
    KEPT,
    MOUNTS,
    NAMES,
    NO_FILE,
    PNG,
    Made,
    Uploader,
    given,
    on_disk,
    path,
    policy,
)
from tests.dialects.grounds import GROUNDS, only_asgi

from kist.model.place import STAGING

MOST = 2_000_000
LIFE = timedelta(seconds=300)
NO_KEY = {"detail": "Authentication credentials were not provided."}


@pytest.fixture(scope="module", params=GROUNDS)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a restricted signing key where the store has users, and the contract's own setting for sizes."""
    home, ground = tmp_path_factory.mktemp("home"), request.param
    with (
        ground.database(request) as rows,
        direct_site(
            ground.store, home, request, serve=ground.serve, database=rows, MAX_FILE_UPLOAD_SIZE=str(MOST)
        ) as site,
    ):
        yield site


@pytest.fixture(params=MOUNTS)
def ann(stored: Site, request: pytest.FixtureRequest) -> Uploader:
    return Uploader(stored.ann, request.param)


@pytest.fixture
def bob(stored: Site) -> Uploader:
    return Uploader(stored.bob)


def end(site: Site, made: Made) -> datetime:
    """When the form ends."""
    if on_disk(site):
        return site.kist.door.verify(made["upload_form"]["fields"]["policy"]).expires_at
    return datetime.fromisoformat(policy(made)["expiration"])


def test_create_post_complete_fetch(stored: Site, ann: Uploader) -> None:
    made = ann.upload(PNG, filename="photo.png")
    read = ann.read(made)
    assert (read.status, read.body) == (200, PNG)
    assert read.headers["content-disposition"] == 'attachment; filename="photo.png"'
    assert stored.ann.call("GET", f"/v1/files/{made['id']}").json["name"] == "photo.png"


def test_create_answers_with_ten_names(stored: Site, ann: Uploader) -> None:
    before = datetime.now(UTC)
    answer = ann.ask({"filename": "a.bin", "acl": "private"})
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    made = answer.json
    assert set(made) == NAMES
    assert str(uuid.UUID(made["id"], version=4)) == made["id"]
    for name in ("created", "modified"):
        assert datetime.strptime(made[name], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) >= before
    assert made["file_path"] == f"{ann.mount}/{made['id']}/"
    assert made["file"] == f"{stored.url}{ann.mount}/{made['id']}/"
    assert made["complete_url"] == f"{stored.url}{ann.mount}/{made['id']}/complete/"
    assert (made["filename"], made["file_key"], made["user"]) == ("a.bin", "", "ann")
    assert set(made["upload_form"]) == {"url", "fields"}


def test_create_without_a_body(stored: Site, ann: Uploader) -> None:
    answers = [ann.ask(), ann.ask(b"", content_type="application/json"), ann.ask({})]
    if stored.host != "django wsgi":  # which demands a length: tests/django_host/test_bodies.py
        answers.append(ann.ask(iter([]), transfer_encoding="chunked"))
    for answer in answers:
        assert answer.status == 201, answer.body
        made = answer.json
        assert (set(made), made["filename"], made["file_key"]) == (NAMES, "", "")
        assert made["upload_form"]["fields"]["acl"] in KEPT


def test_a_file_without_a_name_can_be_uploaded_and_read(ann: Uploader) -> None:
    read = ann.read(ann.upload(b"data"))
    assert (read.status, read.body) == (200, b"data")
    assert read.headers["content-disposition"] == 'attachment; filename="unnamed"'


def test_the_user_is_whose_key_it_is(stored: Site, ann: Uploader) -> None:
    assert ann.create(user=9)["user"] == "ann"
    numbers = {"7": 7, "007": "007", "9007199254740993": "9007199254740993", "a7": "a7"}
    for user, shown in numbers.items():
        made = Uploader(stored.admin).ask({}, kist_actor=user).json
        assert made["user"] == shown


def test_the_form_is_held_to_place_size_and_acl_for_five_minutes(stored: Site, ann: Uploader) -> None:
    asked = datetime.now(UTC)
    made = ann.create(filename="data")
    answered = datetime.now(UTC)
    url, fields = made["upload_form"]["url"], made["upload_form"]["fields"]
    assert fields["key"].startswith(STAGING)
    assert made["id"] not in fields["key"]
    assert fields["acl"] in KEPT
    assert asked + LIFE - timedelta(seconds=2) < end(stored, made) <= answered + LIFE
    if on_disk(stored):
        assert url == f"{stored.url}/door"
        assert set(fields) == {"key", "acl", "policy"}
        return
    bucket = urlsplit(stored.settings.store).netloc
    assert urlsplit(url).path.strip("/") == bucket
    assert set(fields) == {
        "key", "acl", "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature",
    }  # fmt: skip
    assert fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    conditions = policy(made)["conditions"]
    assert {"bucket": bucket} in conditions
    assert ["eq", "$key", fields["key"]] in conditions
    assert ["eq", "$acl", fields["acl"]] in conditions
    assert ["content-length-range", 0, MOST] in conditions
    assert not [each for each in conditions if isinstance(each, list) and each[0] == "starts-with"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"acl": "public-read"},
        {"acl": None},
        {"key": f"{STAGING}other"},
        {"key": ".kist/objects/x"},
        {"x_amz_meta_e": "1"},
        {"policy": "e30="},
        {"Content_Type": "text/html"},
    ],
    ids=lambda wrong: "-".join(map(str, *wrong.items())),
)
def test_a_form_is_posted_as_it_was_given_or_not_at_all(ann: Uploader, wrong: dict[str, str | None]) -> None:
    made = ann.create()
    assert ann.post(made, b"data", **wrong).status in (400, 403)
    assert ann.complete(made).status == 409


def test_the_largest_size_is_that_of_the_setting(ann: Uploader) -> None:
    made = ann.create()
    assert ann.post(made, bytes(MOST + 1)).status == 400
    assert ann.complete(made).status == 409
    made = ann.upload(bytes(MOST))
    assert len(ann.read(made).body) == MOST


def test_complete_is_said_once(ann: Uploader) -> None:
    made = ann.upload(b"data")
    again = ann.complete(made)
    assert (again.status, again.json) == (404, NO_FILE)
    assert ann.read(made).body == b"data"


def test_complete_takes_no_notice_of_its_body(ann: Uploader) -> None:
    made = ann.create()
    ann.post(made, b"data")
    answer = ann.client.call("POST", path(made["complete_url"]), b"[not json", content_type="text/plain")
    assert (answer.status, answer.json) == (200, {"status": "COMPLETED"})


def test_fetch_leads_to_a_signed_attachment_for_five_minutes(stored: Site, ann: Uploader) -> None:
    answer = ann.fetch(ann.upload(b"data", filename="a.txt"))
    assert (answer.status, answer.body) == (302, b"")
    location = urlsplit(answer.headers["location"])
    if on_disk(stored):
        assert location.path.startswith("/door/")
        return
    query = {name: values[0] for name, values in parse_qs(location.query).items()}
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Expires"] == "300"
    assert query["response-content-disposition"] == 'attachment; filename="a.txt"'
    assert given(answer.headers["location"] + "&response-content-type=text/html").status == 403


@pytest.mark.parametrize(
    "thing", ["abc", "0-0", "57f504e7-ac51-4b8f-a583-095187757d5b", "%00", "a" * 300, "..%2f..", "Ａ"]
)
def test_ids_that_are_none_are_not_found(stored: Site, ann: Uploader, thing: str) -> None:
    if thing == "..%2f..":
        only_asgi(stored, "Django decodes a path before it finds the route: this is two segments there")
    for method, end in (("GET", "/"), ("GET", ""), ("POST", "/complete/"), ("POST", "/complete")):
        answer = ann.client.call(method, f"{ann.mount}/{thing.replace('Ａ', '%EF%BC%A1')}{end}")
        assert (answer.status, answer.json) == (404, NO_FILE), (method, end)
        assert "location" not in answer.headers


def test_upper_case_ids_are_not_found(ann: Uploader) -> None:
    made = ann.upload(b"data")
    assert ann.client.call("GET", f"{ann.mount}/{made['id'].upper()}/").json == NO_FILE


def test_with_and_without_a_trailing_slash(stored: Site, ann: Uploader) -> None:
    mount = ann.mount if stored.host == "asgi" else f"{ann.mount}/"  # where Django includes URLs is the project's
    answer = ann.client.call("POST", mount, {"filename": "a"})
    assert answer.status == 201
    made = answer.json
    ann.post(made, b"data")
    assert ann.client.call("POST", path(made["complete_url"]).rstrip("/")).json == {"status": "COMPLETED"}
    assert ann.client.call("GET", made["file_path"].rstrip("/")).status == 302


def test_one_mount_goes_on_where_the_other_began(stored: Site) -> None:
    here, there = (Uploader(stored.ann, mount) for mount in MOUNTS)
    made = here.create(filename="a")
    here.post(made, b"data")
    assert stored.ann.call("POST", f"{there.mount}/{made['id']}/complete/").status == 200
    assert stored.ann.call("GET", f"{there.mount}/{made['id']}/").status == 302


def test_other_methods(ann: Uploader) -> None:
    made = ann.upload(b"data")
    wrong = {
        f"{ann.mount}/": ("GET", "PUT", "PATCH", "DELETE"),
        f"{ann.mount}/{made['id']}/": ("POST", "PUT", "PATCH", "DELETE"),
        f"{ann.mount}/{made['id']}/complete/": ("GET", "PUT", "PATCH", "DELETE"),
    }
    for address, methods in wrong.items():
        for method in methods:
            answer = ann.client.call(method, address)
            assert (answer.status, answer.json) == (405, {"detail": f'Method "{method}" not allowed.'}), address
            assert answer.headers["allow"]
    assert ann.client.call("HEAD", f"{ann.mount}/{made['id']}/").status == 302
    assert ann.read(made).body == b"data"


def calls(user: Uploader, made: Made) -> list[Answer]:
    return [user.ask({}), user.fetch(made), user.complete(made)]


def test_who_gets_what(stored: Site, ann: Uploader, bob: Uploader) -> None:
    open_, done = ann.create(), ann.upload(b"data")
    ann.post(open_, b"data")
    nobody, wrong = Uploader(stored.nobody), Uploader(stored.client("kist_0_wrong"))
    for made in (open_, done):
        for answer in calls(nobody, made):
            assert (answer.status, answer.json) == (401, NO_KEY)
        for answer in calls(wrong, made):
            assert (answer.status, set(answer.json)) == (401, {"detail"})
        created, *theirs = calls(bob, made)
        assert created.status == 201
        for answer in theirs:
            assert (answer.status, answer.json) == (404, NO_FILE)
    admin = Uploader(stored.admin)
    assert admin.complete(open_).json == {"status": "COMPLETED"}
    assert (admin.read(open_).body, admin.read(done).body) == (b"data", b"data")
    assert stored.ann.call("GET", f"/v1/files/{open_['id']}").json["owner"] == "ann"


def test_an_application_acts_for_its_users(stored: Site) -> None:
    admin = Uploader(stored.admin)
    made = admin.ask({"filename": "a"}, kist_actor="42").json
    admin.post(made, b"data")
    answer = stored.admin.call("POST", path(made["complete_url"]), kist_actor="43")
    assert (answer.status, answer.json) == (404, NO_FILE)
    assert stored.admin.call("POST", path(made["complete_url"]), kist_actor="42").status == 200
    assert stored.admin.call("GET", made["file_path"], kist_actor="42").status == 302
    assert stored.admin.call("GET", made["file_path"], kist_actor="43").status == 404
