"""Who gets what from each route. The rows are made from the route table: a route without a row fails."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import ROOT, Answer, Client, Site, disk_settings, serving
from tests.acceptance.sync_things import mirrored, stopped, synced, waiting

from kist.app import dialects
from kist.model.content import PutRules
from kist.model.place import Place
from kist.service.attempts import Attempts
from kist.settings import read_settings
from kist.wire.routes import Dialect, Needs, Route

FORM = "application/x-www-form-urlencoded"
DOOR_FORM = {"policy": "x", "file": ("x", b"1")}
CROWD = "/modules/s3-file-uploader/service"
ABSENT = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Row:
    """How to call a route, and what the owner of the thing, another user and an admin get."""

    call: Callable[[Client, str], Answer]
    owner: int
    stranger: int
    admin: int
    thing: str = "file"


def upload(site: Site) -> str:
    """An open upload of ann's, whose bytes are there."""
    ticket = site.ann.call("POST", "/v1/uploads", {"name": "x", "size": 10, "way": "parts"}).json
    part = ticket["parts"][0]
    site.nobody.pool.request("PUT", part["url"], body=b"0123456789")
    made: str = ticket["id"]
    return made


def link(site: Site) -> str:
    file = site.ann.put("linked", b"content")["id"]
    made: str = site.ann.call("POST", "/v1/links", {"files": [file]}).json["links"][file]["id"]
    return made


def token(site: Site) -> str:
    file = site.ann.put("linked", b"content")["id"]
    made: str = site.ann.call("POST", "/v1/links", {"files": [file]}).json["links"][file]["url"]
    return made.rpartition("/")[2]


def shared(site: Site) -> str:
    file: str = site.ann.put("mine", b"content")["id"]
    site.ann.call("PUT", f"/v1/files/{file}/shares/dave", {"actions": ["read"]})
    return file


def bucket(site: Site) -> str:
    """A bucket of ann's with an object that no row names."""
    name = fresh()
    assert site.ann.call("POST", "/v1/buckets", {"name": name}).status == 201
    store = site.kist.files._ports.store
    site.run(store.put(Place(name, "raw"), nothing(), PutRules()))
    return name


def bare_bucket(site: Site) -> str:
    name = fresh()
    site.ann.call("POST", "/v1/buckets", {"name": name})
    return name


async def nothing() -> AsyncIterator[bytes]:
    return
    yield


def starts_a_sync(client: Client, thing: str) -> Answer:
    return client.call("POST", "/v1/syncs", {"source": f"{thing}/from", "dest": f"{thing}/{fresh()}"})


def fresh() -> str:
    """A name that no bucket has."""
    return f"bucket-{uuid.uuid4().hex[:12]}"


def crowd_file(site: Site) -> str:
    """A bucket of ann's with a file named ``mine``."""
    name = bare_bucket(site)
    crowd_upload(site.ann, name)
    return name


def crowd_upload(client: Client, bucket: str) -> Answer:
    fields = [("file", ("mine", b"1")), ("bucket", bucket), ("user_id", "ann")]
    return client.form("POST", f"{CROWD}/file/upload", fields)


def posted(site: Site) -> str:
    """The file of ann's whose bytes came by a form, and that nobody has completed."""
    made = site.ann.call("POST", "/s3-file-uploads/", {}).json
    fields = [*made["upload_form"]["fields"].items(), ("file", ("x", b"1"))]
    assert site.nobody.form("POST", "/door", fields).status == 204
    file: str = made["id"]
    return file


def named(site: Site) -> str:
    """The name of a file of ann's that is found by it."""
    name = fresh()
    answer = site.ann.call("POST", "/aws-storage/user-upload/", {"name": name, "file": "MQ=="})
    assert answer.status == 200
    return name


THINGS: dict[str, Callable[[Site], str]] = {
    "file": lambda site: str(site.ann.put("mine", b"content")["id"]),
    "upload": upload,
    "link": link,
    "token": token,
    "shared": shared,
    "named": named,
    "bucket": bucket,
    "bare bucket": bare_bucket,
    "crowd file": crowd_file,
    "posted": posted,
    "mirrored": mirrored,
    "synced": lambda site: synced(site, bucket(site)),
    "waiting": lambda site: waiting(site, bucket(site)),
    "stopped": lambda site: stopped(site, bucket(site)),
}


def calls(method: str, path: str, body: Any = None, **headers: str) -> Callable[[Client, str], Answer]:
    return lambda client, thing: client.call(method, path.format(id=thing), body, **headers)


def crowd_calls(method: str, path: str, body: dict[str, str] | None = None) -> Callable[[Client, str], Answer]:
    """``$`` stands for the thing, a bucket; the user named is always ann."""

    def call(client: Client, thing: str) -> Answer:
        sent = body and {name: value.replace("$", thing) for name, value in body.items()}
        return client.call(method, f"{CROWD}/{path}".replace("$", thing), sent)

    return call


CROWD_NAMED = {"file_name": "mine", "bucket": "$"}
CROWD_ROWS: dict[str, Row] = {
    "crowdbotics-root": Row(calls("GET", "/modules/s3-file-uploader/"), 200, 200, 200),
    "crowdbotics-buckets": Row(crowd_calls("GET", "bucket/list"), 200, 200, 200),
    "crowdbotics-bucket-create": Row(
        lambda client, _: client.call("POST", f"{CROWD}/bucket/create", {"bucket": fresh()}),
        201, 201, 201,
    ),
    "crowdbotics-bucket-remove": Row(
        crowd_calls("DELETE", "bucket/remove", {"bucket": "$", "owner_id": "ann"}), 200, 403, 200, "bare bucket"
    ),
    "crowdbotics-bucket-remove-by-path": Row(
        crowd_calls("DELETE", "owners/ann/buckets/$/remove"), 204, 403, 204, "bare bucket"
    ),
    "crowdbotics-upload": Row(crowd_upload, 200, 403, 200, "bare bucket"),
    # The folder that it writes to is not set here; tests/dialects sets it.
    "crowdbotics-download": Row(
        crowd_calls("GET", "file/download?file_name=mine&bucket=$"), 403, 403, 409, "crowd file"
    ),
    "crowdbotics-download-by-path": Row(
        crowd_calls("GET", "buckets/$/files/mine/download"), 403, 403, 409, "crowd file"
    ),
    "crowdbotics-remove": Row(
        crowd_calls("DELETE", "file/remove", {**CROWD_NAMED, "user_id": "ann"}), 204, 403, 204, "crowd file"
    ),
    "crowdbotics-remove-by-path": Row(
        crowd_calls("DELETE", "users/ann/buckets/$/files/mine/remove"), 204, 403, 204, "crowd file"
    ),
    "crowdbotics-presign": Row(
        crowd_calls("GET", "file/presigned/url?file_name=mine&bucket=$"), 200, 404, 200, "crowd file"
    ),
    "crowdbotics-presign-by-body": Row(
        crowd_calls("POST", "file/presigned/url", CROWD_NAMED), 200, 404, 200, "crowd file"
    ),
}  # fmt: skip


# By each method and at each form of its address: tests/dialects. An admin's key signs no user in.
SYNCANO_ROWS: dict[str, Row] = {
    "syncano-user-upload-link": Row(calls("POST", "/aws-storage/user-upload-link/", {"name": "x"}), 200, 200, 401),
    "syncano-user-read": Row(calls("GET", "/aws-storage/user-read/?name={id}"), 200, 404, 401, "named"),
    "syncano-user-upload": Row(
        calls("POST", "/aws-storage/user-upload/", {"name": "x", "file": "MQ=="}), 200, 200, 401
    ),
    "syncano-make-links": Row(calls("POST", "/aws-storage/make-links/", {"fileNames": ["ann/x"]}), 403, 403, 200),
    "syncano-admin-upload-link": Row(calls("POST", "/aws-storage/admin-upload-link/", {"name": "x"}), 403, 403, 200),
    "syncano-admin-upload": Row(
        calls("POST", "/aws-storage/admin-upload/", {"name": "x", "file": "MQ=="}), 403, 403, 200
    ),
    "syncano-create_bucket": Row(
        lambda client, _: client.call("POST", "/aws-storage/create_bucket/", {"name": fresh()}), 403, 403, 200
    ),
}


ROWS: dict[str, Row] = {
    "files-create": Row(calls("POST", "/v1/files?name=x", b"1"), 201, 201, 201),
    "files-create-base64": Row(calls("POST", "/v1/files/base64", {"name": "x", "content": "MQ=="}), 201, 201, 201),
    "files-list": Row(calls("GET", "/v1/files"), 200, 200, 200),
    "files-read": Row(calls("GET", "/v1/files/{id}"), 200, 404, 200),
    "files-change": Row(calls("PATCH", "/v1/files/{id}", {"name": "y"}), 200, 404, 200),
    "files-remove": Row(calls("DELETE", "/v1/files/{id}"), 204, 404, 204),
    "files-content": Row(calls("GET", "/v1/files/{id}/content"), 200, 404, 200),
    "files-replace": Row(calls("PUT", "/v1/files/{id}/content", b"2"), 200, 404, 200),
    "uploads-begin": Row(calls("POST", "/v1/uploads", {"name": "x", "size": 1}), 201, 201, 201),
    "uploads-read": Row(calls("GET", "/v1/uploads/{id}"), 200, 404, 200, "upload"),
    "uploads-abort": Row(calls("DELETE", "/v1/uploads/{id}"), 204, 404, 204, "upload"),
    "uploads-ticket": Row(calls("POST", "/v1/uploads/{id}/ticket", b""), 200, 404, 200, "upload"),
    "uploads-parts": Row(calls("POST", "/v1/uploads/{id}/parts", {"numbers": [1]}), 200, 404, 200, "upload"),
    "uploads-complete": Row(calls("POST", "/v1/uploads/{id}/complete", b""), 200, 404, 200, "upload"),
    "links-make": Row(calls("POST", "/v1/links", {"files": [ABSENT]}), 200, 200, 200),
    "links-list": Row(calls("GET", "/v1/links"), 200, 200, 200),
    "links-revoke": Row(calls("DELETE", "/v1/links/{id}"), 204, 404, 204, "link"),
    "links-follow": Row(calls("GET", "/l/{id}"), 302, 302, 302, "token"),
    "links-follow-with-password": Row(
        calls("POST", "/l/{id}", b"password=x", content_type=FORM), 303, 303, 303, "token"
    ),
    "shares-list": Row(calls("GET", "/v1/files/{id}/shares"), 200, 404, 200, "shared"),
    "shares-grant": Row(calls("PUT", "/v1/files/{id}/shares/eve", {"actions": ["read"]}), 200, 404, 200, "shared"),
    "shares-withdraw": Row(calls("DELETE", "/v1/files/{id}/shares/dave"), 204, 404, 204, "shared"),
    "buckets-list": Row(calls("GET", "/v1/buckets"), 200, 200, 200),
    "buckets-create": Row(lambda client, _: client.call("POST", "/v1/buckets", {"name": fresh()}), 201, 201, 201),
    "buckets-remove": Row(calls("DELETE", "/v1/buckets/{id}?confirm={id}"), 204, 404, 204, "bare bucket"),
    "objects-list": Row(calls("GET", "/v1/buckets/{id}/objects"), 200, 404, 200, "bucket"),
    "objects-read": Row(calls("GET", "/v1/buckets/{id}/objects/raw"), 200, 404, 200, "bucket"),
    "objects-remove": Row(calls("DELETE", "/v1/buckets/{id}/objects/raw"), 204, 404, 204, "bucket"),
    "syncs-start": Row(starts_a_sync, 202, 404, 202, "bucket"),
    "syncs-list": Row(calls("GET", "/v1/syncs"), 200, 200, 200),
    "syncs-read": Row(calls("GET", "/v1/syncs/{id}"), 200, 404, 200, "synced"),
    "syncs-plan": Row(calls("GET", "/v1/syncs/{id}/plan"), 200, 404, 200, "synced"),
    "syncs-files": Row(calls("GET", "/v1/syncs/{id}/files"), 200, 404, 200, "synced"),
    "syncs-events": Row(calls("GET", "/v1/syncs/{id}/events"), 200, 404, 200, "synced"),
    "syncs-confirm": Row(calls("POST", "/v1/syncs/{id}/confirm"), 202, 404, 202, "waiting"),
    "syncs-cancel": Row(calls("POST", "/v1/syncs/{id}/cancel"), 202, 404, 202, "waiting"),
    "syncs-resume": Row(calls("POST", "/v1/syncs/{id}/resume"), 202, 404, 202, "stopped"),
    "syncs-undo": Row(calls("POST", "/v1/syncs/{id}/undo"), 202, 404, 202, "synced"),
    "door-put": Row(calls("PUT", "/door/x", b"1"), 403, 403, 403),
    "door-get": Row(calls("GET", "/door/x"), 403, 403, 403),
    "door-post": Row(
        lambda client, _: client.form("POST", "/door", {"policy": "x", "file": ("x", b"1")}), 403, 403, 403
    ),
    "keys-list": Row(calls("GET", "/v1/keys"), 403, 403, 200),
    "keys-create": Row(calls("POST", "/v1/keys", {"actor": "eve", "role": "admin"}), 403, 403, 201),
    "keys-revoke": Row(calls("DELETE", "/v1/keys/0000"), 403, 403, 404),
    "me": Row(calls("GET", "/v1/me"), 200, 200, 200),
    "healthz": Row(calls("GET", "/healthz"), 200, 200, 200),
    "readyz": Row(calls("GET", "/readyz"), 200, 200, 200),
    "metrics": Row(calls("GET", "/metrics", x_forwarded_for="192.0.2.1"), 403, 403, 200),
    "openapi": Row(calls("GET", "/openapi.json"), 200, 200, 200),
    "docs": Row(calls("GET", "/docs"), 200, 200, 200),
    "filedrop-upload": Row(calls("POST", "/files/upload?file_name=x", b"1"), 201, 201, 201),
    "filedrop-list": Row(calls("GET", "/files"), 200, 200, 200),
    "filedrop-read": Row(calls("GET", "/files/{id}"), 200, 404, 200),
    "filedrop-update": Row(calls("PUT", "/files/{id}", {"file_name": "y"}), 200, 404, 200),
    "filedrop-remove": Row(calls("DELETE", "/files/{id}"), 200, 404, 200),
    **CROWD_ROWS,
    "dabapps-create": Row(calls("POST", "/s3-file-uploads/", {"filename": "x"}), 201, 201, 201),
    "dabapps-fetch": Row(calls("GET", "/s3-file-uploads/{id}/"), 302, 404, 302),
    "dabapps-complete": Row(calls("POST", "/s3-file-uploads/{id}/complete/"), 200, 404, 200, "posted"),
    "dabapps-api-create": Row(calls("POST", "/api/s3-file-uploads/", {"filename": "x"}), 201, 201, 201),
    "dabapps-api-fetch": Row(calls("GET", "/api/s3-file-uploads/{id}/"), 302, 404, 302),
    "dabapps-api-complete": Row(calls("POST", "/api/s3-file-uploads/{id}/complete/"), 200, 404, 200, "posted"),
    **SYNCANO_ROWS,
    "s3sync-sync": Row(calls("GET", "/sync?dest=mirror"), 403, 403, 200, "mirrored"),
    "s3sync-runnings": Row(calls("GET", "/runnings"), 200, 200, 200),
    # It is an admin's, so ann is a stranger as well. By POST, and a user's own: tests/dialects.
    "s3sync-get": Row(calls("GET", "/get?id={id}"), 404, 404, 200, "mirrored"),
    "s3sync-cancel": Row(calls("GET", "/cancel?id={id}"), 404, 404, 200, "mirrored"),
}


def all_dialects() -> tuple[Dialect, ...]:
    """Those that a Kist without settings serves, which are all that there are."""
    return dialects(read_settings({}, Path(__file__).parent))


# One of each name: what differs in nothing but its method or its address is one route to its callers.
ROUTES = list({route.name: route for dialect in all_dialects() for route in dialect.routes}.values())


def state(site: Site, thing: str) -> tuple[Any, bytes]:
    """Everything that an intruder could have changed."""
    return site.ann.call("GET", f"/v1/files/{thing}").json, site.ann.content(thing)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """On disk, where there are tickets."""
    with serving(disk_settings(tmp_path_factory.mktemp("home"))) as found:
        yield found


@pytest.fixture(scope="module")
def revoked(site: Site) -> Client:
    """A key that was good once."""
    row, text = site.run(site.kist.keys.create(ROOT, "ann"))
    site.run(site.kist.keys.revoke(ROOT, row.id))
    return site.client(text)


@pytest.fixture(autouse=True)
def fresh_tries(site: Site) -> None:
    """Wrong keys of one test must not use up the tries of the next."""
    site.kist.entry._attempts = Attempts(site.kist.files._ports.clock)


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert sorted(route.name for route in ROUTES) == sorted(ROWS)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_each_role_gets(site: Site, revoked: Client, route: Route) -> None:
    row = ROWS[route.name]
    mine = site.ann.put("mine", b"content")["id"]
    thing = mine if row.thing == "file" else THINGS[row.thing](site)
    before = state(site, mine)
    without = row.owner if route.needs is Needs.NOTHING else 401
    assert row.call(site.nobody, thing).status == without
    assert row.call(site.client("kist_0_wrong"), thing).status == without
    assert row.call(revoked, thing).status == without
    stranger = row.call(site.bob, thing)
    assert stranger.status == row.stranger
    assert state(site, mine) == before
    if row.stranger == 404 and row.owner != 404:
        absent = row.call(site.bob, ABSENT)
        assert (absent.status, absent.body) == (stranger.status, stranger.body), "a foreign file looks like none"
        assert "location" not in stranger.headers
    assert row.call(site.ann, thing).status == row.owner
    again = THINGS[row.thing](site)
    assert row.call(site.admin, again).status == row.admin


@pytest.mark.parametrize("route", [route for route in ROUTES if "{id}" in route.path], ids=lambda route: route.name)
@pytest.mark.parametrize("thing", ["nonsense", "'%20or%201=1--", "%00", "..%2f..%2fetc", "%F0%9F%98%80", "a" * 3000])
def test_ids_that_are_none_are_simply_absent(site: Site, route: Route, thing: str) -> None:
    if route.name.startswith("door-"):
        return
    if route.name == "keys-revoke":
        assert site.admin.call("DELETE", f"/v1/keys/{thing}").status == 404
    else:
        assert ROWS[route.name].call(site.ann, thing).status == 404


def test_identity_never_comes_from_the_request(site: Site) -> None:
    made = site.ann.call("POST", "/v1/files?name=x", b"1", kist_actor="bob")
    assert (made.status, made.json["code"]) == (403, "not_allowed")
    made = site.admin.call("POST", "/v1/files?name=x", b"1", kist_actor="bob")
    assert (made.status, made.json["owner"]) == (201, "bob")
    for body in ({"owner": "bob"}, {"state": "ready"}, {"size": 1}, {"key": "x"}, {"name": "y", "sha256": "z"}):
        assert site.ann.call("PATCH", f"/v1/files/{site.ann.put('x', b'1')['id']}", body).status == 422


def test_keys_by_bearer_and_basic(site: Site) -> None:
    import base64

    assert site.ann.call("GET", "/v1/me").json == {"id": "ann", "role": "user"}
    basic = base64.b64encode(f"anything:{site.ann.key}".encode()).decode()
    assert site.nobody.call("GET", "/v1/me", authorization=f"Basic {basic}").json == {"id": "ann", "role": "user"}
    for wrong in ("Bearer", "Basic !", "Basic eA==", "Digest x", f"Bearer {site.ann.key}x", "Bearer \x80"):
        answer = site.nobody.call("GET", "/v1/me", authorization=wrong)
        assert (answer.status, answer.json["code"]) == (401, "not_signed_in")
        assert "www-authenticate" in answer.headers


def test_a_key_is_made_shown_once_used_and_revoked(site: Site) -> None:
    expires = (site.kist.keys._ports.clock.now() + timedelta(hours=1)).isoformat()
    made = site.admin.call("POST", "/v1/keys", {"actor": "carl", "label": "phone", "expires_at": expires})
    assert made.status == 201
    carl = site.client(made.json["key"])
    assert carl.call("GET", "/v1/me").json == {"id": "carl", "role": "user"}
    listed = site.admin.call("GET", "/v1/keys")
    assert made.json["key"].encode() not in listed.body
    assert [key["label"] for key in listed.json["items"] if key["id"] == made.json["id"]] == ["phone"]
    assert site.admin.call("DELETE", f"/v1/keys/{made.json['id']}").status == 204
    assert carl.call("GET", "/v1/me").status == 401
    for bad in (
        {"actor": "a b"},
        {"actor": "x", "role": "root"},
        {"actor": "x", "expires_at": "2000-01-01T00:00:00Z"},
        {},
    ):
        assert site.admin.call("POST", "/v1/keys", bad).status == 422
