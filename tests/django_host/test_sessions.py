"""Callers who are signed in by a session: with the CSRF token they are let in, in whatever way it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.django_host.projects import post, user

from kist.django.models import File, UploadedFile


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
