"""Syncano's contract as scenarios: each line of what is known of it, on disk and on a real S3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from tests.acceptance.direct_sites import ORIGIN
from tests.dialects.syncano_sites import BASE64, HELLO, METHODS, Socket, socket_on

from kist.model.content import PutRules
from kist.model.place import Place
from kist.wire.body import body_of

FORM = "application/x-www-form-urlencoded"
MINUTE = timedelta(seconds=60)
HOUR = timedelta(seconds=3600)


@pytest.fixture(scope="module", params=["disk", "rgw"])
def socket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Socket]:
    with socket_on(request.param, tmp_path_factory.mktemp("home"), request) as found:
        yield found


def test_a_file_goes_in_by_a_link_and_comes_out_by_a_link(socket: Socket) -> None:
    answer = socket.as_ann("user-upload-link", name="a b é.txt")
    assert (answer.status, set(answer.json), answer.headers["content-type"]) == (200, {"link"}, "application/json")
    assert socket.put(answer.json["link"]) == 200
    read = socket.as_ann("user-read", name="a b é.txt")
    assert (read.status, set(read.json)) == (200, {"link"})
    assert socket.get(read.json["link"]) == HELLO
    assert ("ann", "a b é.txt") in {(owner, name.rpartition("/")[2]) for owner, name in socket.names(socket.site.ann)}


def test_a_link_to_upload_needs_no_header_and_takes_any_type(socket: Socket) -> None:
    for number, headers in enumerate(({}, {"content-type": "image/png"}, {"content-type": "text/plain"})):
        link = socket.as_ann("user-upload-link", name=f"typed{number}").json["link"]
        assert socket.put(link, headers=headers) == 200
        assert socket.get(socket.as_ann("user-read", name=f"typed{number}").json["link"]) == HELLO


def test_a_link_may_be_asked_for_again_while_the_upload_is_open(socket: Socket) -> None:
    first = socket.as_ann("user-upload-link", name="again").json["link"]
    second = socket.as_ann("user-upload-link", name="again").json["link"]
    assert socket.put(second, b"second") == 200
    assert socket.put(first, b"by the first") == 200
    assert socket.get(socket.as_ann("user-read", name="again").json["link"]) == b"by the first"


def test_a_name_that_is_taken_is_uploaded_to_again(socket: Socket) -> None:
    old = socket.link("replaced", b"old")
    assert socket.put(socket.as_ann("user-upload-link", name="replaced").json["link"], b"new") == 200
    assert socket.get(socket.as_ann("user-read", name="replaced").json["link"]) == b"new"
    assert socket.get(old) == b"old", "a link that was made before still reads what it was made for"
    assert len([name for _, name in socket.names(socket.site.ann) if name.endswith("replaced")]) == 1


def test_links_are_signed_by_version_four_and_carry_nothing_else(socket: Socket) -> None:
    socket.link("signed")
    for endpoint in ("user-upload-link", "user-read"):
        link = urlsplit(socket.as_ann(endpoint, name="signed").json["link"])
        if socket.site.settings.store.startswith("disk:"):
            assert (link.path.startswith("/door/"), link.query) == (True, "")
            continue
        query = parse_qs(link.query)
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-SignedHeaders"] == ["host"]
        assert socket.bucket in link.path + link.netloc
        for absent in ("x-amz-acl", "AWSAccessKeyId", "response-content-disposition", "response-content-type"):
            assert absent not in query


def test_how_long_links_live(socket: Socket) -> None:
    socket.link("short")
    assert socket.lives(MINUTE, lambda: socket.as_ann("user-upload-link", name="short").json["link"])
    assert socket.lives(MINUTE, lambda: socket.as_ann("user-read", name="short").json["link"])
    assert socket.lives(MINUTE, lambda: socket.as_admin("admin-upload-link", name="free/short").json["link"])
    assert socket.lives(HOUR, lambda: socket.link("short"))
    assert socket.lives(HOUR, lambda: socket.made("ann/short"))


@pytest.mark.parametrize("content", [BASE64, f"data:text/plain;base64,{BASE64}", f"data:;base64,{BASE64}"])
@pytest.mark.parametrize("endpoint", ["user-upload", "admin-upload"])
def test_base64_with_and_without_the_prefix_of_a_data_url(socket: Socket, endpoint: str, content: str) -> None:
    ask = socket.as_ann if endpoint == "user-upload" else socket.as_admin
    answer = ask(endpoint, name="hello", file=content)
    assert answer.status == 200, answer.body
    assert {"ETag", "link"} <= set(answer.json)
    assert answer.json["ETag"].strip('"') != answer.json["ETag"] != '""'
    assert socket.get(answer.json["link"]) == HELLO


def test_what_a_browser_writes_before_the_last_comma(socket: Socket) -> None:
    answer = socket.as_ann("user-upload", name="t", file=f"data:text/plain;charset=utf-8;base64,{BASE64}")
    assert socket.get(answer.json["link"]) == HELLO


@pytest.mark.parametrize("size", [0, 1, 100_000, (8 << 20) + 1])
def test_a_real_file_in_a_form(socket: Socket, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    answer = socket.form("user-upload", {**socket.ann, "name": "photo.png", "file": ("ignored.png", body, "image/png")})
    assert (answer.status, set(answer.json)) == (200, {"ETag", "link"})
    assert socket.get(answer.json["link"]) == body
    listed = socket.site.ann.call("GET", "/v1/files?limit=1000").json["items"]
    (mine,) = [item for item in listed if item["name"].endswith("photo.png")]
    assert (mine["size"], mine["type"], mine["owner"]) == (size, "image/png", "ann")


def test_an_etag_changes_with_the_content_and_only_with_it(socket: Socket) -> None:
    tags = [
        socket.form("user-upload", {**socket.ann, "name": "tagged", "file": ("x", body)}).json["ETag"]
        for body in (b"one", b"one", b"two")
    ]
    assert tags[0] == tags[1] != tags[2]


@pytest.mark.parametrize("first", ["file", "fields"])
def test_a_form_whose_file_comes_first_or_last(socket: Socket, first: str) -> None:
    file: list[tuple[str, Any]] = [("file", ("x", HELLO))]
    fields: list[tuple[str, Any]] = [("name", f"{first} first"), *socket.ann.items()]
    answer = socket.form("user-upload", [*file, *fields] if first == "file" else [*fields, *file])
    assert answer.status == 200, answer.body
    assert socket.get(answer.json["link"]) == HELLO


def test_base64_in_a_field_of_a_form(socket: Socket) -> None:
    big = "QUJD" * 50_000
    answer = socket.form("user-upload", {**socket.ann, "name": "f", "file": f"data:text/plain;base64,{big}"})
    assert socket.get(answer.json["link"]) == b"ABC" * 50_000
    body = urlencode({**socket.ann, "name": "f", "file": "+/+/" * 50_000})
    answer = socket.call("user-upload", body.encode(), headers={"content_type": FORM})
    assert answer.status == 200, answer.body
    assert len(socket.get(answer.json["link"])) == 150_000


def test_an_admin_puts_files_under_any_name(socket: Socket) -> None:
    link = socket.as_admin("admin-upload-link", name="public/deep/logo.svg").json["link"]
    assert socket.put(link) == 200
    answer = socket.as_admin("admin-upload", name="public/deep/other.svg", file=BASE64)
    assert (answer.status, set(answer.json)) == (200, {"ETag", "link"})
    names = ["public/deep/logo.svg", "public/deep/other.svg"]
    made = socket.as_admin("make-links", fileNames=names)
    assert (made.status, set(made.json), made.json["errors"]) == (200, {"files", "errors"}, [])
    assert [socket.get(made.json["files"][name]) for name in names] == [HELLO, HELLO]


def test_what_an_admin_puts_below_a_user_is_that_users(socket: Socket) -> None:
    assert socket.as_admin("admin-upload", name="ann/invoice.pdf", file=BASE64).status == 200
    assert socket.get(socket.as_ann("user-read", name="invoice.pdf").json["link"]) == HELLO
    link = socket.as_admin("admin-upload-link", name="ann/contract.pdf").json["link"]
    assert socket.put(link) == 200
    assert socket.get(socket.as_ann("user-read", name="contract.pdf").json["link"]) == HELLO
    assert socket.call("user-read", {**socket.bob, "name": "invoice.pdf"}).status == 404


def test_links_for_many_names_and_for_one(socket: Socket) -> None:
    for name in ("m1", "m2"):
        socket.link(name)
    made = socket.as_admin("make-links", fileNames=["ann/m1", "ann/m2", 5, None, "ann/absent"]).json
    assert set(made["files"]) == {"ann/m1", "ann/m2"}
    assert made["errors"][:2] == ["5 is not a string", "null is not a string"]
    assert "ann/absent" in made["errors"][2]
    one = socket.as_admin("make-links", fileNames="ann/m1").json
    assert (set(one["files"]), one["errors"]) == ({"ann/m1"}, [])
    assert socket.as_admin("make-links", fileNames=[]).json == {"files": {}, "errors": []}


@pytest.mark.parametrize(
    "query",
    [
        [("fileNames", "ann/q1"), ("fileNames", "ann/q2")],
        [("fileNames[]", "ann/q1"), ("fileNames[]", "ann/q2")],
        [("fileNames", "ann/q1"), ("fileNames[]", "ann/q2")],
    ],
)
def test_repeated_names_in_a_query_or_a_form_are_a_list(socket: Socket, query: list[tuple[str, str]]) -> None:
    socket.link("q1"), socket.link("q2")
    for answer in (
        socket.call("make-links", method="GET", query=query, headers=socket.admin),
        socket.call("make-links", urlencode(query).encode(), headers={"content_type": FORM, **socket.admin}),
        socket.form("make-links", query, headers=socket.admin),
    ):
        assert set(answer.json["files"]) == {"ann/q1", "ann/q2"}, answer.body


def test_what_came_by_a_link_is_signed_at_once(socket: Socket) -> None:
    assert socket.put(socket.as_ann("user-upload-link", name="fresh").json["link"]) == 200
    made = socket.as_admin("make-links", fileNames=["ann/fresh"]).json
    assert socket.get(made["files"]["ann/fresh"]) == HELLO
    assert socket.put(socket.as_ann("user-upload-link", name="fresh").json["link"], b"fresher") == 200
    made = socket.as_admin("make-links", fileNames=["ann/fresh"]).json
    assert socket.get(made["files"]["ann/fresh"]) == b"fresher", "and not a minute later"


def test_what_lay_in_the_bucket_before_is_there_for_admins_alone(socket: Socket) -> None:
    socket.link("first")  # makes the bucket
    store = socket.site.kist.files._ports.store
    socket.site.run(store.put(Place(socket.bucket, "ann/old.txt"), body_of(b"old"), PutRules()))
    made = socket.as_admin("make-links", fileNames=["ann/old.txt", "ann/absent", ".kist/x"]).json
    assert (set(made["files"]), len(made["errors"])) == ({"ann/old.txt"}, 2)
    assert socket.get(made["files"]["ann/old.txt"]) == b"old"
    assert socket.lives(HOUR, lambda: socket.made("ann/old.txt"))
    beside = socket.call("make-links", {**socket.ann, "fileNames": ["ann/old.txt"]}, headers=socket.admin).json
    assert beside["files"] == {}


@pytest.mark.parametrize("method", METHODS)
def test_any_method_does(socket: Socket, method: str) -> None:
    name = f"by {method}"
    answer = socket.call("user-upload", {**socket.ann, "name": name, "file": BASE64}, method=method)
    assert answer.status == 200, answer.body
    query = {"user_key": socket.site.ann.key, "name": name}
    assert socket.get(socket.call("user-read", method=method, query=query).json["link"]) == HELLO
    answer = socket.call("make-links", method=method, query={"fileNames": f"ann/{name}"}, headers=socket.admin)
    assert set(answer.json["files"]) == {f"ann/{name}"}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("prefix", ["/aws-storage", "v2", "v3"])
def test_both_forms_of_the_address_with_and_without_a_slash(socket: Socket, prefix: str, slash: str) -> None:
    if not prefix.startswith("/"):
        prefix = f"/{prefix}/instances/{socket.instance}/endpoints/sockets/aws-storage"
    arguments = {**socket.ann, "name": "addressed", "file": BASE64}
    answer = socket.call("user-upload", arguments, prefix=prefix, slash=slash)
    assert answer.status == 200, answer.body
    read = socket.call("user-read", {**socket.ann, "name": "addressed"}, prefix=prefix, slash=slash)
    assert socket.get(read.json["link"]) == HELLO


def test_the_query_wins_over_the_body_and_the_first_of_its_values(socket: Socket) -> None:
    socket.link("wins", b"right")
    socket.link("loses", b"wrong")
    body = {**socket.ann, "name": "loses"}
    for sent in (body, urlencode(body).encode()):
        kind = {} if isinstance(sent, dict) else {"content_type": FORM}
        answer = socket.call("user-read", sent, query=[("name", "wins"), ("name", "loses")], headers=kind)
        assert socket.get(answer.json["link"]) == b"right"
    answer = socket.form("user-read?name=wins&x=", body)
    assert answer.status in (200, 404)
    query = [("user_key", str(socket.site.ann.key))] * 2
    answer = socket.call("user-read", {"name": "wins"}, query=query)
    assert socket.get(answer.json["link"]) == b"right", "as the client library sends it"


def test_arguments_that_nobody_knows_are_passed_over(socket: Socket) -> None:
    odd = {"x": [{}, {"name": "no"}], "constructor": 1, "user": {"id": "bob"}, "user_id": "bob", "owner": "bob"}
    answer = socket.as_ann("user-upload", name="odd", file=BASE64, **odd)
    assert answer.status == 200
    assert ("bob", "odd") not in socket.names(socket.site.admin)
    form = {**socket.ann, "name": "odd", "other": "field", "file": ("x", HELLO), "more": ("y", b"bytes")}
    assert socket.form("user-upload", form).status == 200


def test_each_instance_has_a_bucket_of_its_own(socket: Socket) -> None:
    other = f"/v3/instances/{socket.instance}b/endpoints/sockets/aws-storage"
    socket.link("here")
    assert socket.call("user-read", {**socket.ann, "name": "here"}, prefix=other).status == 404
    assert socket.call("user-upload", {**socket.ann, "name": "there", "file": BASE64}, prefix=other).status == 200
    assert socket.as_ann("user-read", name="there").status == 404
    host = f"{socket.instance}b.syncano.space"
    assert socket.call("user-read", {**socket.ann, "name": "there"}, headers={"host": host}).status == 200
    assert (
        socket.call("user-read", {**socket.ann, "name": "there"}, headers={"host": f"{host.upper()}:443"}).status == 200
    )
    assert socket.call("user-read", {**socket.ann, "name": "here"}, headers={"host": "api.example"}).status == 200
    assert socket.call("user-read", {**socket.ann, "name": "here"}, headers={"host": "[x"}).status == 200
    for answer in (
        socket.call("user-read", {**socket.ann, "name": "here"}, headers={"host": "stranger.syncano.space"}),
        socket.call("user-read", {**socket.ann, "name": "here"}, prefix=other.replace(f"{socket.instance}b", "kist")),
    ):
        assert (answer.status, set(answer.json)) == (404, {"detail"})


def test_buckets_are_made_by_admins(socket: Socket) -> None:
    name = f"{socket.instance}-more"
    answer = socket.as_admin("create_bucket", name=name, region="")
    assert (answer.status, answer.json) == (200, {"Location": f"/{name}"})
    again = socket.as_admin("create_bucket", name=name)
    assert (again.status, again.json["code"], again.json["statusCode"]) == (409, "BucketAlreadyExists", 409)
    assert set(again.json) == {
        "message", "code", "region", "time", "requestId", "statusCode", "retryable", "retryDelay"
    }  # fmt: skip
    wrong = socket.as_admin("create_bucket", name=f"{name}2", region="mars-north-1")
    assert (wrong.status, wrong.json["code"]) == (400, "InvalidLocationConstraint")
    bad = socket.as_admin("create_bucket", name="No_Good")
    assert (bad.status, bad.json["code"]) == (400, "InvalidBucketName")
    assert socket.as_admin("create_bucket").status == 400
    region = socket.site.kist.contracts.region
    assert socket.as_admin("create_bucket", name=f"{name}3", region=region).status == 200


def test_what_is_not_served(socket: Socket) -> None:
    install = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    for path in ("aws-config/install", "aws-storage/upload", "aws-storage/upload-link", "aws-storage/nothing"):
        for prefix in ("", f"/v3/instances/{socket.instance}/endpoints/sockets"):
            answer = socket.site.nobody.call("POST", f"{prefix}/{path}/", install, **socket.admin)
            assert answer.status == 404
    assert socket.link("after")


@pytest.mark.parametrize("endpoint", ["user-upload-link", "user-read"])
def test_head_and_options_are_answered(socket: Socket, endpoint: str) -> None:
    socket.link("headed")
    path = f"/aws-storage/{endpoint}/?name=headed&user_key={quote(str(socket.site.ann.key))}"
    answer = socket.site.nobody.call("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    answer = socket.site.nobody.call("OPTIONS", path)
    assert (answer.status, set(METHODS) <= set(answer.headers["allow"].split(", "))) == (204, True)
    allowed = socket.site.nobody.call("OPTIONS", path, origin=ORIGIN).headers["access-control-allow-headers"]
    assert {"x-user-key", "x-api-key", "authorization", "content-type"} <= set(allowed.split(", "))
