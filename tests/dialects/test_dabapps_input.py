"""What is sent wrongly to DabApps' contract, and how it is told."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import Serve, Site, disk_settings, memory_settings, serving
from tests.dialects.dabapps_holder import MOUNTS, Uploader
from tests.dialects.grounds import NO_ROUTE, only_asgi
from tests.django_host.served import HOSTS

from kist.asgi.options import HostOptions
from kist.errors import StoreUnavailable

NULL = "This field may not be null."
NO_TEXT = "Not a valid string."
TOO_LONG = "Ensure this field has no more than 255 characters."


@pytest.fixture(scope="module", params=list(HOSTS.values()), ids=list(HOSTS))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with request.param(disk_settings(tmp_path_factory.mktemp("home"), KIST_OPEN_UPLOADS="10000")) as found:
        yield found


@pytest.fixture(params=MOUNTS)
def ann(site: Site, request: pytest.FixtureRequest) -> Uploader:
    return Uploader(site.ann, request.param)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"acl": "nope"}, {"acl": ['"nope" is not a valid choice.']}),
        ({"acl": ""}, {"acl": ['"" is not a valid choice.']}),
        ({"acl": 5}, {"acl": ['"5" is not a valid choice.']}),
        ({"acl": ["private"]}, {"acl": ["\"['private']\" is not a valid choice."]}),
        ({"acl": "PRIVATE"}, {"acl": ['"PRIVATE" is not a valid choice.']}),
        ({"acl": "public-read-write"}, {"acl": ['"public-read-write" is not a valid choice.']}),
        ({"acl": None}, {"acl": [NULL]}),
        ({"filename": None}, {"filename": [NULL]}),
        ({"filename": "x" * 256}, {"filename": [TOO_LONG]}),
        ({"filename": "日" * 300}, {"filename": [TOO_LONG]}),
        ({"filename": ["a"]}, {"filename": [NO_TEXT]}),
        ({"filename": {}}, {"filename": [NO_TEXT]}),
        ({"filename": True}, {"filename": [NO_TEXT]}),
        ({"file_key": "x" * 256}, {"file_key": [TOO_LONG]}),
        ({"file_key": [1]}, {"file_key": [NO_TEXT]}),
        ({"acl": "x", "filename": None}, {"acl": ['"x" is not a valid choice.'], "filename": [NULL]}),
    ],
    ids=str,
)
def test_fields_that_are_wrong(ann: Uploader, body: dict[str, Any], errors: dict[str, list[str]]) -> None:
    answer = ann.ask(body)
    assert (answer.status, answer.json) == (400, errors)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "kind"), [([], "list"), ([{}], "list"), ("text", "str"), (5, "int"), (True, "bool"), (None, "NoneType")]
)
def test_json_that_is_no_object(ann: Uploader, body: object, kind: str) -> None:
    answer = ann.ask(json.dumps(body).encode(), content_type="application/json")
    expected = f"Invalid data. Expected a dictionary, but got {kind}."
    assert (answer.status, answer.json) == (400, {"non_field_errors": [expected]})


@pytest.mark.parametrize(
    "body", [b"{", b"[", b"nonsense", b"{'a': 1}", b"\xff\xfe", b'{"a": NaN}', b'{"a":1,"a":2}', b"[" * 60000]
)
def test_json_that_is_none(ann: Uploader, body: bytes) -> None:
    answer = ann.ask(body, content_type="application/json")
    assert answer.status == 400
    assert answer.json["detail"].startswith("JSON parse error - ")


def test_other_kinds_of_bodies(site: Site, ann: Uploader) -> None:
    answer = ann.ask(b"filename: a", content_type="text/yaml")
    assert (answer.status, answer.json) == (415, {"detail": 'Unsupported media type "text/yaml" in request.'})
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = ann.ask(b"broken", content_type=content_type)
        assert (answer.status, set(answer.json)) == (400, {"detail"})
    answer = ann.ask(b"filename=%FF", content_type="application/x-www-form-urlencoded")
    assert (answer.status, set(answer.json)) == (400, {"detail"})
    answer = ann.ask({"filename": "x" * 70_000})
    assert (answer.status, set(answer.json)) == (413, {"detail"})


@pytest.mark.parametrize(
    "name", ["../x", "a/../b", "..", ".", "/etc/passwd", "a//b", "a\0b", "a\nb", "a\\b", "a\u202eb"]
)
@pytest.mark.parametrize("field", ["filename", "file_key"])
def test_hostile_names(site: Site, ann: Uploader, field: str, name: str) -> None:
    for answer in (
        ann.ask({field: name}),
        site.ann.form("POST", f"{ann.mount}/", {field: name}),
    ):
        assert (answer.status, list(answer.json)) == (400, [field]), answer.body
        assert len(answer.json[field]) == 1


@pytest.mark.parametrize(
    "name", ["a" * 255, "日" * 255, "naïve.txt", "مرحبا.pdf", "👩‍👩‍👧.png", "dir/sub/a.txt", " a ", "5"]
)
def test_names_of_any_script_are_answered_as_they_came(site: Site, ann: Uploader, name: str) -> None:
    name = unicodedata.normalize("NFD", name)[:255]
    for answer in (
        ann.ask({"filename": name, "file_key": name}),
        site.ann.form("POST", f"{ann.mount}/", {"filename": name, "file_key": name}),
    ):
        assert answer.status == 201, answer.body
        assert (answer.json["filename"], answer.json["file_key"]) == (name, name)


def test_numbers_are_read_as_names(ann: Uploader) -> None:
    assert ann.create(filename=5)["filename"] == "5"


def test_fields_that_nobody_knows_are_passed_over(site: Site, ann: Uploader) -> None:
    given = {"id": "x", "file": "y", "state": "COMPLETED", "user": 9, "owner": "bob", "key": "z", "size": -1}
    made = ann.create(filename="a", file_key=None, **given)
    assert (made["user"], made["file_key"]) == ("ann", "")
    assert made["id"] != "x"
    file = site.run(site.kist._ports.catalogue.file(made["id"]))
    assert (file.owner, file.metadata, file.state.value) == ("ann", {}, "pending")
    form = [("filename", "a"), ("file", ("b", b"12345", "text/plain")), ("user", "9")]
    assert site.ann.form("POST", f"{ann.mount}/", form).json["filename"] == "a"


def test_a_store_that_is_down(site: Site, ann: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    only_asgi(site)
    made, done = ann.create(filename="a"), ann.upload(b"data")
    ann.post(made, b"data")

    async def down(*_: object) -> None:
        raise StoreUnavailable("the store does not answer", after=7)

    with monkeypatch.context() as broken:
        broken.setattr(type(site.kist._ports.seals), "seal", down)
        answer = ann.complete(made)
        assert (answer.status, set(answer.json), answer.headers["retry-after"]) == (503, {"detail"}, "7")
        assert ann.create(filename="b")["upload_form"]["fields"]
        assert ann.fetch(done).status == 302
    assert ann.complete(made).json == {"status": "COMPLETED"}


def test_a_store_that_signs_nothing(tmp_path: Path, serve: Serve) -> None:
    with serve(memory_settings(tmp_path)) as site:
        answer = Uploader(site.ann).ask({})
        assert (answer.status, set(answer.json)) == (409, {"detail"})


def test_what_nobody_foresaw_shows_nothing(site: Site, ann: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    only_asgi(site)

    async def broken(*_: object) -> None:
        raise RuntimeError("a secret at /srv/kist")

    monkeypatch.setattr(site.kist.tickets, "complete_file", broken)
    answer = ann.complete({"complete_url": f"{ann.mount}/x/complete/"})
    assert (answer.status, set(answer.json)) == (500, {"detail"})
    assert b"secret" not in answer.body


def test_paths_beside_the_contracts(site: Site, ann: Uploader) -> None:
    only_asgi(site, NO_ROUTE)
    for rest in ("/x/other/", "/x/complete/more/"):
        answer = ann.client.call("GET", ann.mount + rest)
        assert (answer.status, answer.json) == (404, {"detail": "Not found."})


def test_types_that_the_operator_does_not_take(tmp_path: Path, serve: Serve) -> None:
    with serve(disk_settings(tmp_path, KIST_TYPES="image/*")) as site:
        ann = Uploader(site.ann)
        answer = ann.ask({"filename": "a.exe"})
        assert (answer.status, set(answer.json)) == (415, {"detail"})
        assert ann.create(filename="a.png")["upload_form"]["fields"]["Content-Type"] == "image/png"


def test_bytes_that_break_a_rule(tmp_path: Path, serve: Serve) -> None:
    with serve(disk_settings(tmp_path, KIST_TYPE_MISMATCH="reject")) as site:
        ann = Uploader(site.ann)
        made = ann.create(filename="photo.png")
        ann.post(made, b"%PDF-1.7 and so on")
        refused, again = ann.complete(made), ann.complete(made)
        assert (refused.status, set(refused.json)) == (409, {"detail"})
        assert (again.status, ann.fetch(made).status) == (404, 404)


def test_wrong_keys_are_counted_here_as_well(tmp_path: Path, serve: Serve) -> None:
    with serve(disk_settings(tmp_path)) as site:
        wrong = Uploader(site.client("kist_0_wrong"))
        assert {wrong.ask({}).status for _ in range(20)} == {401}
        answers = (wrong.ask({}) for _ in range(200))  # one try comes back in three seconds
        refused = next(answer for answer in answers if answer.status != 401)
        assert (refused.status, set(refused.json)) == (429, {"detail"})
        assert int(refused.headers["retry-after"]) >= 1
        assert Uploader(site.ann).ask({}).status == 201


def test_as_many_as_may_be_open(tmp_path: Path, serve: Serve) -> None:
    with serve(disk_settings(tmp_path, KIST_OPEN_UPLOADS="1")) as site:
        ann = Uploader(site.ann)
        ann.create()
        answer = ann.ask({})
        assert (answer.status, set(answer.json)) == (429, {"detail"})
        assert Uploader(site.bob).ask({}).status == 201


def test_all_four_words_where_the_operator_lists_them(tmp_path: Path, serve: Serve) -> None:
    words = ("private", "public-read", "public-read-write", "authenticated-read")
    with serve(disk_settings(tmp_path, KIST_VISIBILITIES=",".join(words))) as site:
        ann = Uploader(site.ann)
        for word in words:
            made = ann.upload(b"data", acl=word)
            assert site.ann.call("GET", f"/v1/files/{made['id']}").json["visibility"] == word


def test_callers_without_a_key_where_they_are_let_in(tmp_path: Path, serve: Serve) -> None:
    with serve(disk_settings(tmp_path, KIST_ANONYMOUS="dabapps=guest")) as site:
        guest = Uploader(site.nobody)
        made = guest.upload(b"data", filename="a")
        assert (made["user"], guest.read(made).body) == ("guest", b"data")
        mine = Uploader(site.ann).upload(b"mine")
        assert guest.fetch(mine).status == 404
        assert Uploader(site.client("kist_0_wrong")).ask({}).status == 401
        page = site.nobody.call("POST", f"{guest.mount}/", {}, origin="https://evil.example")
        assert (page.status, set(page.json)) == (403, {"detail"})


def test_addresses_are_those_of_the_public_url_and_never_of_the_host_header(tmp_path: Path) -> None:
    public = "https://app.example/kist"
    with serving(disk_settings(tmp_path, KIST_PUBLIC_URL=public), HostOptions(base_url=public)) as site:
        for mount in MOUNTS:
            made = site.ann.call("POST", f"{mount}/", {}, host="evil.example", x_forwarded_host="evil.example").json
            assert "evil" not in json.dumps(made)
            assert made["file"] == f"{public}{mount}/{made['id']}/"
            assert made["file_path"] == f"/kist{mount}/{made['id']}/"
            assert made["complete_url"] == f"{public}{mount}/{made['id']}/complete/"
            assert made["upload_form"]["url"] == f"{public}/door"
