"""Who gets what of the Crowdbotics contract; its faults 1 and 2: a user is whoever they say, in any bucket."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import Client, Serve, memory_settings
from tests.dialects.crowd import EVERY_CALL, B, Crowd, bucket_of, download, follow, link, one_sentence, remove, upload

ACCESS_DENIED = "An error occurred (AccessDenied) when calling the {} operation: "

# What the owner, another user who says who they are, another user who says they are the owner, and an admin get.
WHO_GETS_WHAT: dict[str, tuple[int, int, int, int]] = {
    "list": (200, 200, 200, 200),
    "create": (201, 201, 201, 201),
    "upload": (200, 404, 403, 200),
    "download": (403, 403, 403, 200),
    "download by path": (403, 403, 403, 200),
    "presign": (200, 404, 404, 200),
    "presign by body": (200, 404, 404, 200),
    "remove": (204, 404, 403, 204),
    "remove by path": (204, 404, 403, 204),
    "remove bucket": (409, 404, 403, 409),
    "remove bucket by path": (409, 404, 403, 409),
}


@pytest.fixture
def strangers(crowd: Crowd, request: pytest.FixtureRequest) -> list[Client]:
    """Without a key, with a wrong one, and with none in its place; at an address of this test's own, since wrong keys
    are counted for each address."""
    address = f"127.0.1.{1 + sorted(EVERY_CALL).index(request.getfixturevalue('name'))}"
    return [crowd.site.client(key, address) for key in (None, "kist_0_wrong", "")]


# Fault 1: no authentication, and the user is whoever the caller says


@pytest.mark.parametrize("name", EVERY_CALL)
def test_who_gets_what(crowd: Crowd, strangers: list[Client], name: str) -> None:
    ask, (owner, other, claiming, admin) = EVERY_CALL[name], WHO_GETS_WHAT[name]
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "kept", b"content").status == 200
    before = (crowd.objects(bucket), len(crowd.rows(crowd.ann)))
    for stranger in strangers:
        answer = ask(stranger, bucket, "ann")
        assert answer.status == 401
        assert one_sentence(answer)
        assert "www-authenticate" in answer.headers
    assert ask(crowd.bob, bucket, "bob").status == other
    assert ask(crowd.bob, bucket, "ann").status == claiming
    assert (crowd.objects(bucket), len(crowd.rows(crowd.ann))) == before
    assert follow(crowd.ann, link(crowd.ann, bucket, "kept")).body == b"content"
    assert ask(crowd.ann, bucket, "ann").status == owner
    if name.startswith("remove") and owner == 204:
        assert upload(crowd.ann, bucket, "kept", b"content").status == 200
    assert ask(crowd.admin, bucket, "ann").status == admin


def test_keys_by_basic_as_well(crowd: Crowd) -> None:
    basic = base64.b64encode(f"ann:{crowd.ann.key}".encode()).decode()
    answer = crowd.site.nobody.call("GET", f"{B}/bucket/list/", authorization=f"Basic {basic}")
    assert answer.json["Owner"]["ID"] == "ann"


def test_clients_without_a_key_act_as_the_user_whom_the_operator_names(tmp_path: Path, serve: Serve) -> None:
    with serve(memory_settings(tmp_path, KIST_ANONYMOUS="crowdbotics=1")) as site:
        assert site.nobody.call("GET", f"{B}/bucket/list/").json["Owner"] == {"DisplayName": "1", "ID": "1"}
        assert upload(site.nobody, site.settings.bucket, "a", b"1", user="1").status == 200
        assert upload(site.nobody, site.settings.bucket, "a", b"1", user="2").status == 403
        assert download(site.nobody, site.settings.bucket, "a").status == 403


@pytest.mark.parametrize("order", ["user_id first", "user_id last"])
def test_nobody_uploads_in_anothers_name(crowd: Crowd, order: str) -> None:
    bucket = bucket_of(crowd.bob)
    fields: list[Any] = [("user_id", "ann"), ("file", ("a", b"1")), ("bucket", bucket)]
    rows = len(crowd.rows(crowd.ann)), len(crowd.rows(crowd.bob))
    answer = crowd.bob.form("POST", f"{B}/file/upload/", fields if order == "user_id first" else fields[::-1])
    assert answer.status == 403
    assert answer.json[0].startswith(ACCESS_DENIED.format("PutObject"))
    assert (crowd.objects(bucket), len(crowd.rows(crowd.ann)), len(crowd.rows(crowd.bob))) == (0, *rows)


def test_an_admin_uploads_and_removes_in_a_users_name(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.admin, bucket, "theirs", b"1", user="ann").status == 200
    (row,) = [row for row in crowd.rows(crowd.ann) if row["bucket"] == bucket]
    assert (row["name"], row["owner"]) == ("theirs", "ann")
    assert remove(crowd.admin, bucket, "theirs", user="root").status == 204
    assert link(crowd.ann, bucket, "theirs").status == 200, "it is not root's"
    assert remove(crowd.admin, bucket, "theirs", user="ann").status == 204
    assert link(crowd.ann, bucket, "theirs").status == 404


def test_what_an_admin_reads_of_others_is_written_down(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    assert upload(crowd.ann, bucket, "a", b"1").status == 200
    before = len(crowd.audited())
    assert link(crowd.ann, bucket, "a").status == 200
    assert len(crowd.audited()) == before
    assert link(crowd.admin, bucket, "a").status == 200
    assert download(crowd.admin, bucket, "a").status == 200
    assert sorted(crowd.audited())[:2] == [("root", "read", "ann")] * 2
    assert len(crowd.audited()) == before + 2


def test_removing_takes_no_others_file_and_no_object_before_it_is_decided(crowd: Crowd) -> None:
    base = crowd.base
    name = uuid.uuid4().hex
    for client, user in ((crowd.ann, "ann"), (crowd.bob, "bob")):
        assert upload(client, base, name, user.encode(), user).status == 200
    refused = remove(crowd.bob, base, name, user="ann")
    assert refused.status == 403
    assert refused.json[0].startswith(ACCESS_DENIED.format("DeleteObject"))
    assert remove(crowd.bob, base, name, user="bob").status == 204
    assert follow(crowd.ann, link(crowd.ann, base, name)).body == b"ann"
    assert link(crowd.bob, base, name).status == 404


# Fault 2: any bucket of the account


def test_buckets_of_others_look_like_none(crowd: Crowd) -> None:
    foreign, absent = bucket_of(crowd.ann), f"crowd-{uuid.uuid4().hex[:12]}"
    assert upload(crowd.ann, foreign, "kept", b"1").status == 200
    crowd.plant(foreign, "raw", b"1")
    for name in ("upload", "presign", "remove", "remove bucket"):
        answers = [EVERY_CALL[name](crowd.bob, bucket, "bob") for bucket in (foreign, absent)]
        assert answers[0].status == 404
        assert answers[0].body == answers[1].body
    assert link(crowd.bob, foreign, "raw").body == link(crowd.bob, absent, "raw").body


@pytest.mark.parametrize("key", [".kist/objects/x", ".kist/in/x", ".kist"])
def test_kists_own_objects_have_no_name(crowd: Crowd, key: str) -> None:
    assert upload(crowd.admin, crowd.base, "a", b"1", user="root").status == 200
    before = crowd.objects(crowd.base)
    for answer in (link(crowd.admin, crowd.base, key), download(crowd.admin, crowd.base, key)):
        assert answer.status in (400, 404), answer.body
    assert remove(crowd.admin, crowd.base, key, user="root").status in (204, 400)
    assert crowd.objects(crowd.base) == before


def test_an_admin_names_the_right_owner_of_a_bucket(crowd: Crowd) -> None:
    bucket = bucket_of(crowd.ann)
    wrong = crowd.admin.call("DELETE", f"{B}/bucket/remove/", {"bucket": bucket, "owner_id": "bob"})
    assert wrong.status == 403
    assert wrong.json[0].startswith(ACCESS_DENIED.format("DeleteBucket"))
    right = crowd.admin.call("DELETE", f"{B}/bucket/remove/", {"bucket": bucket, "owner_id": "ann"})
    assert right.status == 200


def test_the_operator_may_keep_buckets_to_admins(tmp_path: Path, serve: Serve) -> None:
    with serve(memory_settings(tmp_path, KIST_BUCKET_CREATE="admin")) as site:
        answer = site.ann.call("POST", f"{B}/bucket/create/", {"bucket": "mine"})
        assert answer.status == 403
        assert answer.json[0].startswith(ACCESS_DENIED.format("CreateBucket"))
        assert site.admin.call("POST", f"{B}/bucket/create/", {"bucket": "mine"}).status == 201
