"""The contracts with the project's own users: sessions with CSRF, what REST framework knows, and neither."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.served import Answer
from tests.django_host.project import CSRF, Person, Project, project
from tests.django_host.site import APPS

CREATE = "/s3-file-uploads/"
MODULE = "/modules/s3-file-uploader/service"
NO_ROOT = "Authentication credentials were not provided."
AUTHENTICATORS = [f"rest_framework.authentication.{kind}Authentication" for kind in ("Session", "Basic", "Token")]
WITH_TOKENS: dict[str, Any] = {
    "INSTALLED_APPS": [*APPS, "rest_framework.authtoken"],
    "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": AUTHENTICATORS},
}
WITHOUT: dict[str, Any] = {"INSTALLED_APPS": [name for name in APPS if name != "rest_framework"]}
NAMES = ["a.txt", "日本.txt", "שלום", "ümlaut ß.png", 'say "hi".txt', "a;b=c", "ليست 100%.bin"]
JOINED = "👩\u200d👩\u200d👧 می\u200cخواهم.png"
"""Django leaves out such letters of the names of forms that it takes apart."""


@pytest.fixture(scope="module")
def drf_wsgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with REST framework, and tokens among its authenticators."""
    with project("wsgi", tmp_path_factory.mktemp("drf"), **WITH_TOKENS) as found:
        yield found


@pytest.fixture(scope="module")
def drf_asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The same under ASGI."""
    with project("asgi", tmp_path_factory.mktemp("drf"), **WITH_TOKENS) as found:
        yield found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project without REST framework."""
    with project("wsgi", tmp_path_factory.mktemp("plain"), **WITHOUT) as found:
        yield found


@pytest.fixture(params=["drf_wsgi", "drf_asgi"])
def drf(request: pytest.FixtureRequest) -> Project:
    found: Project = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["drf_wsgi", "drf_asgi", "plain"])
def either(request: pytest.FixtureRequest) -> Project:
    found: Project = request.getfixturevalue(request.param)
    return found


def create(site: Project, **headers: str) -> Answer:
    """Step 1 of DabApps' client."""
    return site.client.call("POST", CREATE, {"filename": "photo.png"}, **headers)


def upload(site: Project, who: Person, name: str, data: bytes, *fields: tuple[str, str], **headers: str) -> Answer:
    """The Crowdbotics upload, the file first."""
    sent: list[Any] = [("file", (name, data, "text/plain")), ("bucket", site.settings.bucket), ("user_id", str(who.pk))]
    return site.client.form("POST", f"{MODULE}/file/upload/", [*sent, *fields], **headers)


def read(site: Project, who: Person, name: str) -> Answer:
    """The bytes at a presigned URL."""
    asked = {"file_name": name, "bucket": site.settings.bucket}
    answer = site.client.call("POST", f"{MODULE}/file/presigned/url/", asked, **who.signed_in)
    assert answer.status == 200, (name, answer.body)
    return site.client.call("GET", answer.json.removeprefix(site.client.url))


def test_a_session_with_its_csrf_token(either: Project) -> None:
    answer = create(either, **either.ann.signed_in)
    assert answer.status == 201, answer.body
    assert answer.json["user"] == either.ann.pk
    assert answer.json["complete_url"].startswith(either.client.url)


def test_the_whole_flow_of_the_client(either: Project) -> None:
    made = create(either, **either.ann.signed_in).json
    form = [*made["upload_form"]["fields"].items(), ("file", ("x", b"\x89PNG\r\n\x1a\n", "image/png"))]
    assert either.client.form("POST", made["upload_form"]["url"].removeprefix(either.client.url), form).status == 204
    done = made["complete_url"].removeprefix(either.client.url)
    assert either.client.call("POST", done, cookie=either.bob.cookies, x_csrftoken=CSRF).status == 404
    answer = either.client.call("POST", done, **either.ann.signed_in)
    assert (answer.status, answer.json) == (200, {"status": "COMPLETED"})
    assert either.client.call("GET", made["file_path"], cookie=either.ann.cookies).status == 302
    assert either.client.call("GET", made["file_path"], cookie=either.bob.cookies).status == 404
    assert either.client.call("GET", made["file_path"], cookie=either.root.cookies).status == 302, "staff are admins"


@pytest.mark.parametrize("headers", [{}, {"x_csrftoken": "d" * 32}, {"x_csrftoken": ""}, {"x_csrftoken": "short"}])
def test_a_session_without_its_csrf_token(either: Project, headers: dict[str, str]) -> None:
    answer = create(either, cookie=either.ann.cookies, **headers)
    assert answer.status == 403
    assert answer.json["detail"].startswith("CSRF Failed: ")
    refused = upload(either, either.ann, "csrf.txt", b"1", cookie=either.ann.cookies, **headers)
    assert (refused.status, len(refused.json)) == (403, 1)
    assert "CSRF Failed" in refused.json[0]


def test_a_page_of_another_site_is_refused(either: Project) -> None:
    answer = create(either, **either.ann.signed_in, origin="https://evil.example")
    assert answer.status == 403
    assert "CSRF Failed: Origin checking failed" in answer.json["detail"]


def test_the_token_as_a_field_of_the_form(either: Project) -> None:
    field = ("csrfmiddlewaretoken", CSRF)
    for name in NAMES:
        answer = upload(either, either.ann, name, name.encode(), field, cookie=either.ann.cookies)
        assert (answer.status, answer.body) == (200, b""), answer.body
        assert read(either, either.ann, name).body == name.encode(), name
    wrong = upload(either, either.ann, "b", b"1", ("csrfmiddlewaretoken", "d" * 32), cookie=either.ann.cookies)
    assert wrong.status == 403


def test_a_form_with_its_token_in_a_header_is_read_as_it_comes(either: Project) -> None:
    for name in (*NAMES, JOINED):
        answer = upload(either, either.ann, name, b"by header " + name.encode(), **either.ann.signed_in)
        assert (answer.status, answer.body) == (200, b""), answer.body
        assert read(either, either.ann, name).body == b"by header " + name.encode()


@pytest.mark.parametrize("size", [0, 50 << 20])
def test_files_of_any_size_in_a_form_that_was_taken_apart(either: Project, size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    answer = upload(either, either.ann, f"{size}.bin", data, ("csrfmiddlewaretoken", CSRF), cookie=either.ann.cookies)
    assert (answer.status, answer.body) == (200, b""), answer.body
    assert read(either, either.ann, f"{size}.bin").body == data


def test_a_form_of_fields_alone(either: Project) -> None:
    sent = b"filename=caf%C3%A9.txt&csrfmiddlewaretoken=" + CSRF.encode()
    answer = either.client.call(
        "POST", CREATE, sent, content_type="application/x-www-form-urlencoded", cookie=either.ann.cookies
    )
    assert (answer.status, answer.json["filename"]) == (201, "café.txt")


def test_nobody_says_to_be_another(either: Project) -> None:
    refused = upload(either, either.bob, "a", b"1", **either.ann.signed_in)
    assert refused.status == 403
    assert upload(either, either.bob, "a", b"1", **either.root.signed_in).status == 200


def test_who_is_not_signed_in(either: Project) -> None:
    for headers in ({}, {"cookie": "sessionid=nonsense"}, {"cookie": either.gone.cookies, "x_csrftoken": CSRF}):
        answer = create(either, **headers)
        assert (answer.status, answer.json) == (401, {"detail": NO_ROOT})
        assert "www-authenticate" in answer.headers
        assert len(upload(either, either.ann, "a", b"1", **headers).json) == 1


def test_basic(drf: Project) -> None:
    answer = create(drf, **drf.ann.basic)
    assert (answer.status, answer.json["user"]) == (201, drf.ann.pk)
    assert drf.client.call("GET", f"{MODULE}/bucket/list/", **drf.root.basic).json["Owner"]["ID"] == str(drf.root.pk)
    wrong = base64.b64encode(b"ann:wrong").decode()
    for headers in ({"authorization": f"Basic {wrong}"}, drf.gone.basic, {"authorization": "Basic %%%"}):
        refused = create(drf, **headers)
        assert (refused.status, set(refused.json)) == (401, {"detail"})
        assert "www-authenticate" in refused.headers


def test_tokens(drf: Project) -> None:
    assert create(drf, **drf.ann.by_token).json["user"] == drf.ann.pk
    assert upload(drf, drf.ann, "t", b"1", **drf.ann.by_token).status == 200
    for headers in ({"authorization": "Token wrong"}, drf.gone.by_token):
        assert create(drf, **headers).status == 401


def test_passwords_are_nothing_without_rest_framework(plain: Project) -> None:
    for headers in (plain.ann.basic, {"authorization": "Token x"}, {"authorization": "Bearer x"}):
        assert create(plain, **headers).status == 401


def test_staff_see_what_is_others_by_the_native_api(either: Project) -> None:
    made = either.client.call(
        "POST", "/v1/files?name=mine.txt", b"mine", **either.ann.signed_in, content_type="text/plain"
    )
    assert made.status == 201, made.body
    path = f"/v1/files/{made.json['id']}/content"
    assert either.client.call("GET", path, cookie=either.ann.cookies).body == b"mine"
    assert either.client.call("GET", path, cookie=either.bob.cookies).status == 404
    assert either.client.call("GET", path, cookie=either.root.cookies).body == b"mine"
