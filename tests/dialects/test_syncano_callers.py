"""Who may call Syncano's endpoints: every place of a key, every role, every endpoint."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.served import ROOT
from tests.dialects.syncano_sites import ADMIN, BASE64, ENDPOINTS, HELLO, METHODS, USER, Socket, socket_on

from kist.asgi.logs import log_to
from kist.dialects.syncano import DIALECT
from kist.service.attempts import Attempts

WRONG = "kist_0_wrong"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "user-upload-link": {"name": "mine"},
    "user-read": {"name": "read"},
    "user-upload": {"name": "mine", "file": BASE64},
    "make-links": {"fileNames": ["ann/mine"]},
    "admin-upload-link": {"name": "free/x"},
    "admin-upload": {"name": "free/x", "file": BASE64},
    "create_bucket": {"name": "made"},
}
FORBIDDEN: dict[str, Any] = {
    "make-links": {"message": "Forbidden"},
    "admin-upload": "Forbidden",
    "admin-upload-link": "Forbidden",
    "create_bucket": {"message": "Bad amazon key"},
}
AS_STRING = ("user-upload-link", "user-read")


@pytest.fixture(scope="module", params=["disk", "rgw"])
def socket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Socket]:
    with socket_on(request.param, tmp_path_factory.mktemp("home"), request) as found:
        found.link("mine", b"ann's")
        found.link("read")
        yield found


@pytest.fixture(autouse=True)
def fresh_tries(socket: Socket) -> None:
    """Wrong keys of one test must not use up the tries of the next."""
    socket.site.kist.entry._attempts = Attempts(socket.site.kist.files._ports.clock)


def check_logged_out(endpoint: str, answer: Any) -> None:
    assert answer.status == 401, answer.body
    said = answer.json if endpoint in AS_STRING else answer.json["message"]
    assert said.startswith("You must be logged in")
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_each_role_gets(socket: Socket, endpoint: str, method: str) -> None:
    arguments = dict(ARGUMENTS[endpoint])
    if endpoint == "create_bucket":
        arguments["name"] = f"{socket.instance}-{method.lower()}"
    before = socket.names(socket.site.admin)

    def call(**more: Any) -> Any:
        headers: dict[str, str] = {name: more.pop(name) for name in ("x_api_key", "x_user_key") if name in more}
        return socket.call(endpoint, {**arguments, **more}, method=method, headers=headers)

    for nobody in ({}, {"_user_key": WRONG}, {"_user_key": ""}, {"_user_key": None}, {"x_user_key": WRONG}):
        check_logged_out(endpoint, call(**nobody))
    for wrong in ({"x_api_key": WRONG}, {"_api_key": WRONG}, {"_api_key": None}):
        check_logged_out(endpoint, call(**wrong))
    assert socket.names(socket.site.admin) == before, "who is nobody changes nothing"
    if endpoint in USER:
        assert call(**socket.ann).status == 200
        assert call(**socket.bob).status == (404 if endpoint == "user-read" else 200)
        check_logged_out(endpoint, call(**socket.admin))
        assert socket.get(socket.as_ann("user-read", name="mine").json["link"]) in (b"ann's", HELLO)
    else:
        for user in (socket.ann, {"x_user_key": str(socket.site.bob.key)}, {"x_api_key": str(socket.site.bob.key)}):
            refused = call(**user)
            assert (refused.status, refused.json) == (403, FORBIDDEN[endpoint])
        assert call(**socket.admin).status == 200


def test_every_route_is_one_of_those_that_are_tried() -> None:
    tried = {(method, endpoint) for method in METHODS for endpoint in ENDPOINTS}
    assert {(route.method, route.path.rpartition("/")[2]) for route in DIALECT.routes} == tried
    assert len(DIALECT.routes) == 3 * len(tried)


@pytest.mark.parametrize("place", ["x-user-key", "user_key", "userkey", "_user_key", "body", "form", "bearer", "basic"])
def test_where_a_user_key_may_stand(socket: Socket, place: str) -> None:
    key = str(socket.site.ann.key)
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    if place == "form":
        answer = socket.form("user-read", {"name": "mine", "_user_key": key})
    elif place in ("user_key", "userkey", "_user_key"):
        answer = socket.call("user-read", {"name": "mine"}, query={place: key})
    else:
        headers = {
            "x-user-key": {"x_user_key": key},
            "bearer": {"authorization": f"Bearer {key}"},
            "basic": {"authorization": f"Basic {basic}"},
        }.get(place, {})
        body = {"name": "mine"} | ({"_user_key": key} if place == "body" else {})
        answer = socket.call("user-read", body, headers=headers)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("place", ["x-api-key", "api_key", "apikey", "body", "word", "bearer", "basic"])
def test_where_an_admin_key_may_stand(socket: Socket, place: str) -> None:
    key = str(socket.site.admin.key)
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    headers = {
        "x-api-key": {"x_api_key": key},
        "word": {"authorization": f"Token {key}"},
        "bearer": {"authorization": f"bearer  {key}"},
        "basic": {"authorization": f"Basic {basic}"},
    }.get(place, {})
    query = {place: key} if place.endswith("key") and place != "x-api-key" else {}
    body = {"fileNames": ["ann/mine"]} | ({"_api_key": key} if place == "body" else {})
    answer = socket.call("make-links", body, query=query, headers=headers)
    assert (answer.status, set(answer.json["files"])) == (200, {"ann/mine"}), answer.body


@pytest.mark.parametrize("header", ["", "x", "Basic !", "Basic eA=="])
def test_an_authorization_that_says_nothing_is_a_wrong_one(socket: Socket, header: str) -> None:
    check_logged_out(
        "user-read", socket.call("user-read", {**socket.ann, "name": "mine"}, headers={"authorization": header})
    )


def test_an_admins_key_in_a_users_place_is_that_user_and_no_admin(socket: Socket) -> None:
    as_user = {"_user_key": str(socket.site.admin.key)}
    assert socket.call("make-links", {**as_user, "fileNames": ["ann/mine"]}).status == 403
    assert socket.call("user-read", {**as_user, "name": "mine"}).status == 404
    assert socket.call("user-upload", {**as_user, "name": "mine", "file": BASE64}).status == 200
    beside = socket.call("make-links", {**as_user, "fileNames": ["ann/mine", "root/mine"]}, headers=socket.admin)
    assert set(beside.json["files"]) == {"root/mine"}
    assert ("root", "mine") in {(owner, name.rpartition("/")[2]) for owner, name in socket.names(socket.site.admin)}


def test_an_admin_who_acts_for_a_user_is_that_user(socket: Socket) -> None:
    answer = socket.call("user-read", {"name": "mine"}, headers={"kist_actor": "ann", **socket.admin})
    assert answer.status == 200
    assert socket.call("make-links", {"fileNames": []}, headers={"kist_actor": "ann", **socket.admin}).status == 403


class TestMakeLinksBesideAUser:
    def test_only_what_is_theirs_or_was_shared_with_them(self, socket: Socket) -> None:
        for name in ("own", "shared", "kept"):
            socket.link(name)
        items = socket.site.ann.call("GET", "/v1/files?limit=1000").json["items"]
        (shared,) = [item["id"] for item in items if item["name"].endswith("shared")]
        names = ["ann/own", "ann/shared", "ann/kept", "ann/absent", "../x"]
        asked = {"fileNames": names, "_user_key": socket.site.bob.key}
        assert socket.call("make-links", asked, headers=socket.admin).json["files"] == {}
        grant = socket.site.ann.call("PUT", f"/v1/files/{shared}/shares/bob", {"actions": ["read"]})
        assert grant.status == 200
        answer = socket.call("make-links", asked, headers=socket.admin)
        assert set(answer.json["files"]) == {"ann/shared"}
        assert socket.get(answer.json["files"]["ann/shared"]) == HELLO
        kept, absent = (next(text for text in answer.json["errors"] if name in text) for name in names[2:4])
        assert kept.replace("kept", "absent") == absent, "a foreign file looks like none"
        assert len(answer.json["errors"]) == 4
        socket.site.ann.call("DELETE", f"/v1/files/{shared}/shares/bob")
        assert socket.call("make-links", asked, headers=socket.admin).json["files"] == {}
        mine = socket.call("make-links", {**socket.ann, "fileNames": names}, headers=socket.admin)
        assert set(mine.json["files"]) == {"ann/own", "ann/shared", "ann/kept"}

    @pytest.mark.parametrize("key", [WRONG, "", None])
    def test_an_unknown_user_is_never_anybody(self, socket: Socket, key: str | None) -> None:
        for answer in (
            socket.call("make-links", {"fileNames": ["ann/mine"], "_user_key": key}, headers=socket.admin),
            socket.call("make-links", {"fileNames": ["ann/mine"]}, headers={"x_user_key": key or "", **socket.admin}),
            socket.call("make-links", {"fileNames": ["ann/mine"]}, query={"user_key": key or ""}, headers=socket.admin),
            socket.form("make-links", {"fileNames": "ann/mine", "_user_key": key or ""}, headers=socket.admin),
        ):
            check_logged_out("make-links", answer)
            assert b"http" not in answer.body

    def test_a_wrong_admin_key_is_not_made_good_by_a_user(self, socket: Socket) -> None:
        for endpoint in ENDPOINTS:
            answer = socket.call(endpoint, {**ARGUMENTS[endpoint], **socket.ann}, headers={"x_api_key": WRONG})
            check_logged_out(endpoint, answer)

    def test_of_two_names_for_a_user_the_header_counts_then_the_query(self, socket: Socket) -> None:
        bob, ann = str(socket.site.bob.key), str(socket.site.ann.key)
        asked = {"fileNames": ["ann/mine"], "_user_key": ann}
        assert socket.call("make-links", asked, headers={"x_user_key": bob, **socket.admin}).json["files"] == {}
        assert socket.call("make-links", asked, query={"user_key": bob}, headers=socket.admin).json["files"] == {}


def test_what_an_admin_gets_links_to_of_others_is_written_down(socket: Socket) -> None:
    def written() -> list[tuple[str, str, str]]:
        entries = socket.site.run(socket.site.kist._ports.catalogue.audit(1000))
        return [(entry.actor, entry.action, entry.owner) for entry in entries]

    socket.link("watched"), socket.link("watched too")
    before = written()
    names = ["ann/watched", "ann/watched too", "ann/absent"]
    socket.call("make-links", {**socket.ann, "fileNames": names}, headers=socket.admin)
    assert written() == before, "that was ann"
    socket.as_admin("make-links", fileNames=names)
    assert len(written()) == len(before) + 2
    assert written().count(("root", "read", "ann")) == before.count(("root", "read", "ann")) + 2


def test_users_are_told_apart_by_whole_segments(socket: Socket) -> None:
    for actor in ("a", "an", "ann.", "annn", "ANN"):
        _, key = socket.site.run(socket.site.kist.keys.create(ROOT, actor))
        for name in ("mine", "n/mine", "/mine", "../ann/mine", "..%2fann%2fmine", "ann/mine"):
            answer = socket.call("user-read", {"_user_key": key, "name": name})
            assert answer.status in (400, 403, 404), (actor, name, answer.body)
        asked = {"_user_key": key, "fileNames": ["ann/mine", "ann//mine", f"{actor}/../ann/mine"]}
        assert socket.call("make-links", asked, headers=socket.admin).json["files"] == {}


@pytest.mark.parametrize(
    "endpoint", ["user-upload-link", "user-upload", "admin-upload-link", "admin-upload", "create_bucket"]
)
def test_pages_of_other_sites_change_nothing_by_get(socket: Socket, endpoint: str) -> None:
    key = socket.site.ann.key if endpoint in USER else socket.site.admin.key
    place = "user_key" if endpoint in USER else "api_key"
    query = {place: key, **ARGUMENTS[endpoint], "name": f"{socket.instance}-{endpoint.replace('_', '-')}"}
    before = socket.names(socket.site.admin)
    for method in ("GET", "HEAD"):
        for site in ("cross-site", "same-site", "nonsense"):
            answer = socket.call(endpoint, method=method, query=query, headers={"sec_fetch_site": site})
            assert answer.status == 403
    assert socket.names(socket.site.admin) == before
    for number, site in enumerate(("same-origin", "none")):
        answer = socket.call(
            endpoint,
            method="GET",
            query={**query, "name": f"{query['name']}{number}"},
            headers={"sec_fetch_site": site},
        )
        assert answer.status == 200, answer.body
    assert socket.call(endpoint, query=query, headers={"sec_fetch_site": "cross-site"}).status == 200


def test_reading_by_a_link_of_another_site_is_no_attack(socket: Socket) -> None:
    query = {"user_key": socket.site.ann.key, "name": "mine"}
    assert socket.call("user-read", method="GET", query=query, headers={"sec_fetch_site": "cross-site"}).status == 200


def test_keys_are_in_no_log_and_in_no_answer(socket: Socket) -> None:
    stream = io.StringIO()
    loggers = [logging.getLogger(name) for name in ("kist", "kist.access", "uvicorn", "asyncio")]
    kept = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    log_to(stream, logging.DEBUG)
    try:
        ann, admin = str(socket.site.ann.key), str(socket.site.admin.key)
        answers = []
        for query, body in (
            ({"user_key": ann, "api_key": admin}, {}),
            ({}, {"_user_key": ann, "_api_key": admin}),
            ({"_user_key": WRONG}, {"_api_key": admin}),
        ):
            for endpoint in ENDPOINTS:
                named = {"name": f"{socket.instance}-log"} if endpoint == "create_bucket" else {}
                answers.append(socket.call(endpoint, {**ARGUMENTS[endpoint], **named, **body}, query=query))
                answers.append(socket.call(endpoint, {**body, "fileNames": {"a": 1}, "name": 5}, query=query))
                answers.append(socket.call(f"{endpoint}/{ann}", {"name": "x"}, query=query))
        text = stream.getvalue()
        assert '"actor":"ann"' in text, "there is a log"
        for key in (ann, admin, WRONG):
            secret = key[-20:]
            lines = [line for line in text.splitlines() if secret in line and f"/{ann}" not in line]
            assert lines == []
            assert [answer.body for answer in answers if secret.encode() in answer.body] == []
    finally:
        for logger, handlers, level, propagate in kept:
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
            logger.setLevel(level)


def test_callers_without_a_key_where_the_operator_lets_them_in(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with socket_on("disk", tmp_path_factory.mktemp("home"), request, KIST_ANONYMOUS="syncano=guest") as open_:
        answer = open_.call("user-upload", {"name": "x", "file": BASE64})
        assert (answer.status, open_.get(answer.json["link"])) == (200, HELLO)
        assert ("guest", "x") in {(owner, name.rpartition("/")[2]) for owner, name in open_.names(open_.site.admin)}
        assert open_.call("make-links", {"fileNames": ["guest/x"]}).status == 403
        assert open_.call("user-read", {**open_.ann, "name": "x"}).status == 404, "a key that is sent counts"
        assert open_.call("user-read", {"_user_key": WRONG, "name": "x"}).status == 401
        assert (
            open_.call("user-upload", {"name": "x", "file": BASE64}, headers={"sec_fetch_site": "cross-site"}).status
            == 403
        )


def test_json_is_what_every_endpoint_answers(socket: Socket) -> None:
    for endpoint in (*ENDPOINTS, "nothing"):
        answer = socket.call(endpoint, {})
        assert answer.headers["content-type"] == "application/json"
        json.loads(answer.body)
    assert set(ADMIN) | set(USER) == set(ENDPOINTS)
