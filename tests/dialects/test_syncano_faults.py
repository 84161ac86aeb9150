"""What was wrong with Syncano's socket and is no more."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.dialects.syncano_sites import (
    BASE64,
    ENDPOINTS,
    HELLO,
    USER,
    WITH_FILE,
    Socket,
    ask,
    said,
    socket_on,
    strict_socket,
)

from kist.errors import Misconfigured
from kist.service.attempts import Attempts
from kist.settings import read_settings


@pytest.fixture(scope="module", params=["disk", "rgw"])
def socket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Socket]:
    with strict_socket(request.param, tmp_path_factory.mktemp("home"), request) as found:
        yield found


@pytest.fixture(autouse=True)
def fresh_tries(socket: Socket) -> None:
    """Wrong keys of one test must not use up the tries of the next."""
    socket.site.kist.entry._attempts = Attempts(socket.site.kist.files._ports.clock)


class TestTheFaultsOfTheOriginal:
    def test_1_nobody_replaces_the_credentials_of_the_store(self, socket: Socket) -> None:
        keys = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "theirs", "REGION": "us-east-1"}
        for headers in ({}, socket.admin):
            for path in (
                "/aws-config/install/",
                f"/v2/instances/{socket.instance}/endpoints/sockets/aws-config/install/",
            ):
                assert socket.site.nobody.call("POST", path, keys, **headers).status == 404
        assert socket.link("still works")

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_2_mistakes_of_callers_are_4xx_without_a_stack_trace(self, socket: Socket, endpoint: str) -> None:
        for answer in (
            socket.call(endpoint, {}),
            ask(socket, endpoint),
            ask(socket, endpoint, name=None, file=None, fileNames=None),
            ask(socket, endpoint, name=5, file=5, fileNames=5),
            ask(socket, endpoint, name=["a"], file={"a": 1}, fileNames={"a": 1}),
            ask(socket, endpoint, name="", file="", fileNames=True),
            ask(socket, endpoint, name="a\0b", file=BASE64, fileNames=1.5),
        ):
            assert 400 <= answer.status < 500, answer.body
            assert said(endpoint, answer)

    @pytest.mark.parametrize("argument", ["bucketName", "bucket_name"])
    def test_3_a_bucket_that_is_named_is_used_or_refused(self, socket: Socket, argument: str) -> None:
        other = f"{socket.instance}-{argument.lower().replace('_', '-')}"
        assert socket.as_admin("create_bucket", name=other).status == 200
        for endpoint in USER:
            answer = ask(socket, endpoint, name="x", file=BASE64, **{argument: other})
            assert (answer.status, "bucket" in said(endpoint, answer)) == (403, True)
            assert ask(socket, endpoint, name="x", file=BASE64, **{argument: "absent-anyway"}).status == 403
        socket.link("in own")
        assert ask(socket, "user-read", name="in own", **{argument: socket.bucket}).status == 200
        answer = socket.as_admin("admin-upload", name="deep/x", file=BASE64, **{argument: other})
        assert socket.get(answer.json["link"]) == HELLO
        listed = socket.site.admin.call("GET", f"/v1/files?bucket={other}").json["items"]
        assert [(item["name"], item["bucket"]) for item in listed] == [("x", other)]
        assert socket.as_admin("make-links", fileNames="deep/x").json["files"] == {}
        assert set(socket.as_admin("make-links", fileNames="deep/x", **{argument: other}).json["files"]) == {"deep/x"}
        for endpoint in ("admin-upload", "admin-upload-link", "make-links"):
            answer = ask(socket, endpoint, name="x", file=BASE64, fileNames=[], **{argument: "absent-anyway"})
            assert (answer.status, said(endpoint, answer)) == (404, "there is no such bucket")

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_3_a_region_that_is_named_is_the_one_or_refused(self, socket: Socket, endpoint: str) -> None:
        name = f"{socket.instance}-region"
        arguments = {"name": name, "file": BASE64, "fileNames": []}
        socket.link(name)
        assert ask(socket, endpoint, **arguments, region="mars-north-1").status == 400
        assert ask(socket, endpoint, **arguments, region=socket.site.kist.contracts.region).status == 200

    def test_4_links_are_under_the_id_that_users_upload_to(self, socket: Socket) -> None:
        socket.link("photo")
        made = socket.as_admin("make-links", fileNames=["ann/photo", "Ann Archer/photo"]).json
        assert set(made["files"]) == {"ann/photo"}
        assert made["errors"] == ["Ann Archer/photo does not exist"]

    def test_5_files_are_known_and_listed_shared_and_removed_like_any(self, socket: Socket) -> None:
        socket.link("known", b"12345")
        items = socket.site.ann.call("GET", "/v1/files?limit=1000").json["items"]
        (item,) = [item for item in items if item["name"] == "known"]
        assert (item["size"], item["owner"], item["bucket"]) == (5, "ann", socket.bucket)
        path = f"/v1/files/{item['id']}"
        assert socket.site.ann.call("PUT", f"{path}/shares/bob", {"actions": ["read"]}).status == 200
        assert socket.site.bob.call("GET", f"{path}/content").body == b"12345"
        assert socket.site.ann.call("DELETE", path).status == 204
        assert socket.as_ann("user-read", name="known").status == 404
        assert socket.as_admin("make-links", fileNames="ann/known").json["errors"] == ["ann/known does not exist"]

    def test_6_there_is_no_link_to_what_is_not_there(self, socket: Socket) -> None:
        answer = socket.as_ann("user-read", name="never")
        assert (answer.status, answer.json) == (404, "You have no file of that name")
        assert socket.as_ann("user-upload-link", name="not yet").status == 200
        assert socket.as_ann("user-read", name="not yet").status == 404

    @pytest.mark.parametrize("endpoint", WITH_FILE)
    @pytest.mark.parametrize(
        "content",
        [
            "aGVsbG8",
            "aGVsbG8==",
            "aGVs bG8=",
            "aGVs\nbG8=",
            "aGVsbG8=x",
            "a_-_",
            "====",
            "é",
            "a,b,aGVsbG8=",
            f"image/png;base64,{BASE64}",
            "data:text/plain,hello",
            f"data:text/plain;base64;{BASE64}",
        ],
    )
    def test_6_broken_base64_is_refused(self, socket: Socket, endpoint: str, content: str) -> None:
        answer = ask(socket, endpoint, name="broken", file=content)
        assert (answer.status, set(answer.json)) == (400, {"message"})
        assert socket.as_ann("user-read", name="broken").status == 404

    def test_6_what_is_too_large_is_refused_through_kist_and_by_a_link(self, socket: Socket) -> None:
        large = b"x" * 100_001
        for answer in (
            socket.as_ann("user-upload", name="large", file=base64.b64encode(large).decode()),
            socket.form("user-upload", {**socket.ann, "name": "large", "file": ("x", large)}),
        ):
            assert (answer.status, set(answer.json)) == (413, {"detail"})
        link = socket.as_ann("user-upload-link", name="large").json["link"]
        if socket.put(link, large) == 200:
            answer = socket.as_ann("user-read", name="large")
            assert answer.status == 409
            assert "100000" in answer.json
            made = socket.as_admin("make-links", fileNames="ann/large").json
            assert (made["files"], len(made["errors"])) == ({}, 1)
        assert socket.put(socket.as_ann("user-upload-link", name="large").json["link"], b"small") == 200
        assert socket.get(socket.as_ann("user-read", name="large").json["link"]) == b"small"

    def test_6_what_is_of_the_wrong_type_is_refused(self, socket: Socket) -> None:
        script = ("x.js", b"alert(1)", "text/javascript")
        answer = socket.form("user-upload", {**socket.ann, "name": "x.js", "file": script})
        assert (answer.status, set(answer.json)) == (415, {"message"})
        assert socket.as_ann("user-upload-link", name="page.html").status == 415

    def test_6_an_etag_is_of_the_content_and_not_of_the_store(self, socket: Socket) -> None:
        answers = [socket.as_ann("user-upload", name=name, file=BASE64) for name in ("e1", "e2")]
        assert answers[0].json["ETag"] == answers[1].json["ETag"]

    def test_6_a_store_that_would_give_more_away_signs_no_links_to_upload_to(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        with socket_on("rgw", tmp_path, request, signing_key=False) as socket:
            for endpoint in ("user-upload-link", "admin-upload-link"):
                answer = ask(socket, endpoint, name="x")
                assert (answer.status, "use user-upload" in said(endpoint, answer)) == (409, True)
            assert socket.get(socket.link("x")) == HELLO

    @pytest.mark.parametrize("life", ["0", "-1", "x", "1.5", "NaN"])
    def test_7_a_life_of_links_that_is_none_stops_the_start(self, life: str, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="EXPIRE"):
            read_settings({"KIST_HOME": str(tmp_path), "EXPIRE": life}, tmp_path)

    @pytest.mark.parametrize(("life", "seconds"), [("120", 120), ("99999999", 7 * 86400)])
    def test_7_links_live_as_expire_says_and_no_longer_than_allowed(
        self, life: str, seconds: int, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        with socket_on("disk", tmp_path, request, EXPIRE=life) as socket:
            wanted = timedelta(seconds=seconds)
            assert socket.lives(wanted, lambda: socket.link("x"))
            assert socket.lives(wanted, lambda: socket.as_ann("user-read", name="x").json["link"])
            assert socket.lives(wanted, lambda: socket.as_ann("user-upload-link", name="x").json["link"])
            assert socket.lives(wanted, lambda: socket.made("ann/x"))

    def test_7_a_bucket_that_somebody_else_has_is_said_and_not_broken_for_ever(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        with socket_on("disk", tmp_path, request) as socket:
            assert socket.site.ann.call("POST", "/v1/buckets", {"name": socket.bucket}).status == 201
            answer = socket.as_ann("user-upload", name="x", file=BASE64)
            assert (answer.status, set(answer.json)) == (403, {"message"})
            gone = socket.site.ann.call("DELETE", f"/v1/buckets/{socket.bucket}?confirm={socket.bucket}")
            assert gone.status == 204
            assert socket.as_ann("user-upload", name="x", file=BASE64).status == 200
