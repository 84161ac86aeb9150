"""Callers whom a browser signs in: by a session, with its CSRF token, and by other means from trusted pages alone."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory, override_settings
from django.urls import resolve
from rest_framework.authentication import BaseAuthentication
from tests.django_host.projects import post, user

from kist.django.composition import kist
from kist.django.models import File, UploadedFile
from kist.drive import drive
from kist.model.actor import Actor, Role

UPLOAD = "/modules/s3-file-uploader/service/file/upload/"
NATIVE = "/v1/files?name=planted.txt"
EVIL = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}


class ByCookie(BaseAuthentication):
    """An authenticator as projects write them, for a cookie of their own; nothing of it asks for a CSRF token."""

    def authenticate(self, request: Any) -> tuple[Any, None] | None:
        found = get_user_model().objects.filter(username=request.COOKIES.get("remembered", "")).first()
        return found and (found, None)


BY_COOKIE = {"DEFAULT_AUTHENTICATION_CLASSES": [f"{__name__}.ByCookie"]}


def basic(name: str) -> dict[str, str]:
    """What a browser sends along once it was asked for a password."""
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{name}".encode()).decode()}


def planted(client: Client, **headers: str) -> int:
    """The status of an upload of plain text, as any page can make a browser send it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(NATIVE, b"evil", content_type="text/plain", headers=named).status_code


@pytest.fixture
def ann(site: Path) -> tuple[Client, str, Any]:
    """A browser, its token, and who uses it."""
    who = user(is_staff=True)
    client = Client(enforce_csrf_checks=True)
    client.force_login(who)
    client.get("/admin/password_change/")
    return client, client.cookies["csrftoken"].value, who


def test_json_with_the_token_in_a_header(ann: tuple[Client, str, Any]) -> None:
    client, token, who = ann
    asked: dict[str, Any] = {"data": {"filename": "a.txt"}, "content_type": "application/json"}
    assert client.post("/s3-file-uploads/", **asked).status_code == 403
    assert client.post("/s3-file-uploads/", **asked, headers={"x-csrftoken": "no"}).status_code == 403
    made = client.post("/s3-file-uploads/", **asked, headers={"x-csrftoken": token})
    assert (made.status_code, made.json()["user"]) == (201, who.pk)
    assert post(made.json()["upload_form"], b"hello") == (204, "")
    path = f"{made.json()['file_path']}complete/"
    assert client.post(path).status_code == 403
    assert client.post(path, headers={"x-csrftoken": token}).json() == {"status": "COMPLETED"}
    assert UploadedFile.objects.get().user == who


def test_a_form_with_the_token_in_a_field(ann: tuple[Client, str, Any]) -> None:
    client, token, who = ann
    bucket = client.post(
        "/modules/s3-file-uploader/service/bucket/create/", {"bucket": "llamas", "csrfmiddlewaretoken": token}
    )
    assert bucket.status_code == 201, bucket.content
    form = {"bucket": "llamas", "user_id": str(who.pk), "csrfmiddlewaretoken": token}
    sent = client.post(
        "/modules/s3-file-uploader/service/file/upload/", form | {"file": SimpleUploadedFile("a.txt", b"hello")}
    )
    assert sent.status_code == 200, sent.content
    assert File.objects.get(name="a.txt").size == 5


MULTIPART = "multipart/form-data; boundary=b"
FORM = "application/x-www-form-urlencoded"


def part(name: str, value: bytes) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


@pytest.mark.parametrize("framework", [True, False], ids=["rest framework", "alone"])
@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/s3-file-uploads/", b"x", "multipart/form-data", 400),
        ("/s3-file-uploads/", b"&".join(b"a%d=1" % n for n in range(2000)), FORM, 400),
        ("/s3-file-uploads/", b"a=%s" % (b"x" * 50_000), f"{FORM}; charset=latin-1", 400),
        (UPLOAD, part("a", b"x" * (3 << 20)) + b"--b--\r\n", MULTIPART, 413),
    ],
    ids=["no boundary", "many fields", "another charset", "a large field"],
)
def test_a_form_that_django_does_not_take_is_the_callers_fault(
    ann: tuple[Client, str, Any], path: str, body: bytes, kind: str, status: int, framework: bool
) -> None:
    client, _, _ = ann
    apps = [name for name in settings.INSTALLED_APPS if framework or name != "rest_framework"]
    with override_settings(INSTALLED_APPS=apps):
        answer = client.post(path, body, content_type=kind)
    assert answer.status_code == status, answer.content


def test_a_form_is_not_read_past_the_limit_of_its_route(ann: tuple[Client, str, Any]) -> None:
    client, _, who = ann
    body = BytesIO(part("filename", b"x") + part("more", b"x" * 200_000) + b"--b--\r\n")
    request = RequestFactory().post("/s3-file-uploads/", body.getvalue(), content_type=MULTIPART)
    request.META["wsgi.input"] = request._stream = body
    request.user = who
    request.COOKIES.update({name: morsel.value for name, morsel in client.cookies.items()})
    view, _, _ = resolve("/s3-file-uploads/")
    answer = view(request)
    assert (answer.status_code, body.tell()) == (413, 0)


@pytest.mark.parametrize(
    "page", [EVIL, {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "same-site"}], ids=str
)
def test_a_page_of_another_site_changes_nothing_by_what_a_browser_adds(site: Path, page: dict[str, str]) -> None:
    user()
    client = Client(enforce_csrf_checks=True)
    assert planted(client, **basic("ann"), **page) == 403
    form = client.post("/s3-file-uploads/", {"filename": "evil.txt"}, headers=basic("ann") | page)
    assert (form.status_code, set(form.json())) == (403, {"detail"})
    client.cookies["remembered"] = "ann"
    with override_settings(REST_FRAMEWORK=BY_COOKIE):
        assert planted(client, **page) == 403
        assert planted(client, authorization="Negotiate YII=", **page) == 403
        assert client.get("/v1/me", headers=page).json()["role"] == "user", "what only asks goes on"
    assert not File.objects.exists()


@pytest.mark.parametrize(
    "page",
    [{}, {"sec-fetch-site": "same-origin"}, {"origin": "http://testserver"}, {"origin": "https://app.example.com"}],
    ids=str,
)
@override_settings(CSRF_TRUSTED_ORIGINS=["https://*.example.com"])
def test_programs_and_trusted_pages_change_things(site: Path, page: dict[str, str]) -> None:
    user()
    client = Client(enforce_csrf_checks=True)
    assert planted(client, **basic("ann"), **page) == 201
    client.cookies["remembered"] = "ann"
    with override_settings(REST_FRAMEWORK=BY_COOKIE):
        assert planted(client, **page) == 201


@override_settings(CSRF_TRUSTED_ORIGINS=["https://app.example.com"])
def test_a_session_may_come_from_a_page_that_the_project_trusts(ann: tuple[Client, str, Any]) -> None:
    client, token, _ = ann
    page = {"origin": "https://app.example.com", "sec-fetch-site": "cross-site"}
    assert planted(client, **page, x_csrftoken=token) == 201
    assert planted(client, **page) == 403


def test_nobody_makes_or_ends_keys_here(ann: tuple[Client, str, Any]) -> None:
    client, token, _ = ann
    assert client.get("/v1/me").json()["role"] == "admin"
    asked: dict[str, Any] = {"content_type": "application/json", "headers": {"x-csrftoken": token}}
    assert client.post("/v1/keys", {"actor": "later", "role": "admin"}, **asked).status_code == 404
    assert client.delete("/v1/keys/0000", headers={"x-csrftoken": token}).status_code == 404
    assert client.get("/v1/keys").status_code == 404
    assert drive(kist().keys.page(Actor("local", Role.ADMIN))) == ()
