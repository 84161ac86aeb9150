"""The admin: what staff see of files, uploads and jobs, and what they can do there."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils.timezone import localtime
from tests.django_host.llamas.models import Llama
from tests.django_host.projects import got, post, user

from kist.django.composition import kist
from kist.django.models import File, UploadedFile
from kist.drive import drive
from kist.model.actor import Action, Actor
from kist.model.upload import Intent
from kist.wire.body import body_of

HELLO = b"hello"


def signed_in(**more: Any) -> tuple[Client, Any]:
    """A member of staff in a browser."""
    who = user("root", is_staff=True, **({"is_superuser": True} | more))
    client = Client()
    client.force_login(who)
    return client, who


def finished(owner: Any, name: str = "a.txt") -> UploadedFile:
    uploaded = UploadedFile.objects.create(user=owner, filename=name)
    assert post(uploaded.get_upload_form(), HELLO) == (204, "")
    uploaded.completed_upload()
    return uploaded


def page(client: Client, path: str) -> str:
    response = client.get(f"/admin/{path}")
    assert response.status_code == 200, response
    return str(response.content.decode())


def test_lists_can_be_searched_and_filtered(site: Path) -> None:
    client, root = signed_in()
    finished(root, "plan.txt")
    UploadedFile.objects.create(user=root, filename="draft.txt").get_upload_form()
    for path, shown, hidden in (
        ("kist/file/?q=plan", "plan.txt", "draft.txt"),
        ("kist/file/?state__exact=pending", "draft.txt", "plan.txt"),
        ("kist/upload/?state__exact=open", "draft.txt", "plan.txt"),
        ("kist/uploadedfile/?state=COMPLETED", "plan.txt", "draft.txt"),
        ("kist/uploadedfile/?q=draft", "draft.txt", "plan.txt"),
    ):
        text = page(client, path)
        assert shown in text, path
        assert hidden not in text, path
    assert "0 jobs" in page(client, "kist/job/")


def test_a_file_is_shown_with_its_shares_and_not_changed(site: Path) -> None:
    client, root = signed_in()
    uploaded = finished(root)
    drive(kist().shares.grant(Actor(str(root.pk)), str(uploaded.pk), "bob", frozenset({Action.READ})))
    path = f"kist/file/{uploaded.pk}/change/"
    text = page(client, path)
    assert "bob: read" in text
    assert 'name="_save"' not in text
    assert client.post(f"/admin/{path}", {"name": "x"}).status_code == 403
    assert client.get("/admin/kist/file/add/").status_code == 403
    assert client.post(f"/admin/kist/file/{uploaded.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("kind", ["file", "uploadedfile"])
def test_links_lead_to_the_bytes(site: Path, kind: str) -> None:
    client, root = signed_in()
    uploaded = finished(user("ann"))
    text = page(client, f"kist/{kind}/")
    for name in ("show", "download"):
        path = f"/admin/kist/{kind}/{uploaded.pk}/{name}/"
        assert path in text
        response = client.get(path)
        assert (response.status_code, got(response["location"])) == (302, HELLO)
    assert client.get(f"/admin/kist/{kind}/{uuid.uuid4()}/show/").status_code == 404
    assert Client().get(f"/admin/kist/{kind}/{uploaded.pk}/show/")["location"].startswith("/admin/login/")
    audited = drive(kist()._ports.catalogue.audit(10))
    assert {(entry.actor, entry.thing) for entry in audited} == {(str(root.pk), f"file:{uploaded.pk}")}


def test_staff_without_the_permission_see_nothing(site: Path) -> None:
    client, _ = signed_in(is_superuser=False)
    uploaded = finished(user("ann"))
    assert client.get("/admin/kist/file/").status_code == 403
    assert client.get(f"/admin/kist/file/{uploaded.pk}/download/").status_code == 404


def test_files_are_removed_by_the_service(site: Path) -> None:
    client, root = signed_in()
    other = drive(kist().uploads.receive(Actor("somebody"), Intent(name="b.txt"), body_of(HELLO)))
    pending = UploadedFile.objects.create(user=root)
    pending.get_upload_form()
    chosen = [other.id, str(pending.pk)]
    client.post("/admin/kist/file/", {"action": "remove_files", "_selected_action": chosen})
    assert File.objects.get(pk=other.id).state == "removed"
    assert File.objects.get(pk=str(pending.pk)).state == "pending"
    assert File.objects.count() == 2


def test_only_who_may_delete_is_offered_to_remove_files(site: Path) -> None:
    client, staff = signed_in(is_superuser=False)
    staff.user_permissions.add(Permission.objects.get(codename="view_file", content_type__app_label="kist"))
    uploaded = finished(user("ann"))
    assert "remove_files" not in page(client, "kist/file/")
    client.post("/admin/kist/file/", {"action": "remove_files", "_selected_action": [str(uploaded.pk)]})
    assert File.objects.get().state == "ready"


def test_an_uploaded_file_is_deleted_with_its_file(site: Path) -> None:
    client, _ = signed_in()
    first, second, third = (finished(user(name)) for name in ("ann", "bob", "eve"))
    assert client.post(f"/admin/kist/uploadedfile/{first.pk}/delete/", {"post": "yes"}).status_code == 302
    both = {"action": "delete_selected", "_selected_action": [str(second.pk), str(third.pk)], "post": "yes"}
    assert client.post("/admin/kist/uploadedfile/", both).status_code == 302
    assert not UploadedFile.objects.exists()
    assert set(File.objects.values_list("state", flat=True)) == {"removed"}


def test_an_upload_is_added(site: Path) -> None:
    client, root = signed_in()
    text = page(client, "kist/uploadedfile/add/")
    assert "data-create-url" in text
    assert "kist/direct-upload.js" in text
    mine, theirs = finished(root), finished(user("ann"))
    assert client.post("/admin/kist/uploadedfile/add/", {"upload": str(theirs.pk)}).status_code == 200
    assert client.post("/admin/kist/uploadedfile/add/", {"upload": str(mine.pk)}).status_code == 302
    assert UploadedFile.objects.get(pk=mine.pk).filename == "a.txt"
    assert "the file itself" in page(client, f"kist/uploadedfile/{mine.pk}/change/")


def test_a_projects_own_models_upload_in_the_admin(site: Path) -> None:
    client, root = signed_in()
    assert "data-create-url" in page(client, "llamas/llama/add/")
    mine, theirs = finished(root), finished(user("ann"), "secret.txt")
    refused = client.post("/admin/llamas/llama/add/", {"name": "Dolly", "file": str(theirs.pk)})
    assert refused.status_code == 200
    assert "secret.txt" not in refused.content.decode()
    assert client.post("/admin/llamas/llama/add/", {"name": "Dolly", "file": str(mine.pk)}).status_code == 302
    assert Llama.objects.get().file == mine
    theirs_too = Llama.objects.create(name="Shaun", file=theirs)
    path = f"/admin/llamas/llama/{theirs_too.pk}/change/"
    assert client.post(path, {"name": "Shaun II", "file": str(theirs.pk)}).status_code == 302
    theirs_too.refresh_from_db()
    assert (theirs_too.name, theirs_too.file) == ("Shaun II", theirs)


def test_times_and_sizes_are_shown(site: Path) -> None:
    client, root = signed_in()
    finished(root)
    text = page(client, "kist/file/")
    assert "5\xa0bytes" in text
    assert str(localtime(File.objects.get().created_at).year) in text, "as the site's clocks have it"
