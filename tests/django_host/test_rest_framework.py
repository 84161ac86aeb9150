"""The field and the serializers of Django REST framework: whose files may be attached, and what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import RequestFactory
from rest_framework import serializers
from tests.django_host.llamas.models import Llama
from tests.django_host.projects import got, post, user

from kist.django.composition import kist
from kist.django.fields import UploadedFilePrimaryKeyRelatedField
from kist.django.models import AWAIT_COMPLETE, COMPLETED, NEW, File, UploadedFile
from kist.django.serializers import AccessControlListSerializer, UploadedFileSerializer
from kist.drive import drive
from kist.model.actor import Action, Actor
from kist.model.upload import Intent
from kist.wire.body import body_of

HELLO = b"hello"


class LlamaSerializer(serializers.ModelSerializer):
    file = UploadedFilePrimaryKeyRelatedField()

    class Meta:
        model = Llama
        fields = ("name", "file")


class HerdSerializer(serializers.Serializer):
    files = UploadedFilePrimaryKeyRelatedField(many=True)


def finished(owner: Any) -> UploadedFile:
    uploaded = UploadedFile.objects.create(user=owner, filename="a.txt")
    assert post(uploaded.get_upload_form(), HELLO) == (204, "")
    uploaded.completed_upload()
    return uploaded


def elsewhere(owner: str, name: str = "b.txt") -> str:
    """A file that came without Django, and has no row of Django's."""
    file = drive(kist().uploads.receive(Actor(owner), Intent(name=name), body_of(HELLO)))
    with connection.cursor() as cursor:  # a deletion by the model would remove the file
        cursor.execute("DELETE FROM kist_uploadedfile WHERE row_id = %s", [file.id])
    assert not UploadedFile.objects.filter(pk=file.id).exists()
    return file.id


def request_of(who: Any) -> Any:
    request = RequestFactory().post("/")
    request.user = who
    return request


def sent(given: object, who: Any) -> LlamaSerializer:
    """A serializer that was sent that file by that user."""
    return LlamaSerializer(data={"name": "Dolly", "file": given}, context={"request": request_of(who)})


def refused(serializer: serializers.Serializer) -> Any:
    assert not serializer.is_valid()
    return serializer.errors


def test_a_finished_file_of_ones_own_is_attached(site: Path) -> None:
    ann = user()
    uploaded = finished(ann)
    serializer = sent(str(uploaded.pk), ann)
    assert serializer.is_valid(), serializer.errors
    assert serializer.save().file == uploaded
    assert LlamaSerializer(Llama.objects.get()).data == {"name": "Dolly", "file": uploaded.pk}


def test_everything_else_is_the_same_refusal(site: Path) -> None:
    ann, bob = user(), user("bob", is_staff=True)
    started = UploadedFile.objects.create(user=ann)
    started.get_upload_form()
    reopened = finished(ann)
    reopened.permit_reupload()
    reopened.save()
    theirs = finished(bob)
    key = File.objects.get(pk=str(theirs.pk)).key
    new = UploadedFile.objects.create(user=ann)
    gone = finished(ann)
    drive(kist().files.remove(Actor(str(ann.pk)), str(gone.pk)))
    wrong: list[Any] = [
        *(str(row.pk) for row in (started, reopened, theirs, new, gone)),
        *(elsewhere(str(bob.pk)), str(uuid.uuid4()), key, "../x", 1, True, 1.5, "x" * 100, ["a"], {"a": "b"}, "\0"),
        f"urn:uuid:{finished(ann).pk}",
    ]
    for given in wrong:
        error = f'Invalid pk "{given}" - object does not exist.'
        assert refused(sent(given, ann)) == {"file": [error]}
    assert len(refused(sent("x" * 10_000, ann))["file"][0]) < 200
    assert (
        refused(LlamaSerializer(data={"name": "x"}, context={"request": request_of(ann)}))["file"][0].code == "required"
    )


def test_staff_attach_only_their_own_as_well(site: Path) -> None:
    uploaded = finished(user())
    assert "does not exist" in str(refused(sent(str(uploaded.pk), user("root", is_staff=True, is_superuser=True))))


def test_a_share_does_not_make_a_file_ones_own(site: Path) -> None:
    ann, bob = user(), user("bob")
    file_id = elsewhere(str(bob.pk))
    drive(kist().shares.grant(Actor(str(bob.pk)), file_id, str(ann.pk), frozenset({Action.READ})))
    assert "does not exist" in str(refused(sent(file_id, ann)))
    assert not UploadedFile.objects.filter(pk=file_id).exists(), "no row is made for it either"


@pytest.mark.parametrize("context", [{}, {"request": None}, {"request": RequestFactory().get("/")}])
def test_without_a_user_nothing_is_taken(site: Path, context: dict[str, Any]) -> None:
    uploaded = finished(user())
    assert "does not exist" in str(
        refused(LlamaSerializer(data={"name": "x", "file": str(uploaded.pk)}, context=context))
    )
    assert "does not exist" in str(refused(sent(str(uploaded.pk), AnonymousUser())))
    nobodys = finished(None)
    assert "does not exist" in str(refused(sent(str(nobodys.pk), AnonymousUser())))


def test_a_file_that_came_elsewhere_gets_its_row_when_it_is_attached(site: Path) -> None:
    ann = user()
    file_id = elsewhere(str(ann.pk))
    serializer = sent(file_id, ann)
    assert serializer.is_valid(), serializer.errors
    llama = serializer.save()
    assert (str(llama.file.pk), llama.file.user, llama.file.filename) == (file_id, ann, "b.txt")
    assert (llama.file.file_upload_state, got(llama.file.get_view_url())) == (COMPLETED, HELLO)


def test_many_files(site: Path) -> None:
    ann = user()
    ids = [str(finished(ann).pk), elsewhere(str(ann.pk))]
    serializer = HerdSerializer(data={"files": ids}, context={"request": request_of(ann)})
    assert serializer.is_valid(), serializer.errors
    assert [str(row.pk) for row in serializer.validated_data["files"]] == ids


def test_a_queryset_narrows_what_is_taken(site: Path) -> None:
    ann = user()

    class Narrow(serializers.Serializer):
        file = UploadedFilePrimaryKeyRelatedField(queryset=UploadedFile.objects.filter(filename="b.txt"))

    for file_id, taken in ((str(finished(ann).pk), False), (elsewhere(str(ann.pk)), True)):
        assert Narrow(data={"file": file_id}, context={"request": request_of(ann)}).is_valid() is taken


def test_the_serializer_makes_a_row_of_the_user_and_gives_out_a_form(site: Path) -> None:
    ann, bob = user(), user("bob")
    context = {"request": request_of(ann), "acl": "private"}
    serializer = UploadedFileSerializer(
        data={"filename": "a.txt", "user": bob.pk, "file_key": "x", "id": str(uuid.uuid4())}, context=context
    )
    assert serializer.is_valid(), serializer.errors
    row = serializer.save()
    data = json.loads(json.dumps(serializer.data, default=str))
    base = f"http://testserver/s3-file-uploads/{row.pk}/"
    assert sorted(data) == sorted(UploadedFileSerializer.Meta.fields)
    assert (data["user"], data["file_key"], data["id"]) == (ann.pk, "", str(row.pk))
    assert (data["file"], data["complete_url"]) == (base, f"{base}complete/")
    assert data["file_path"] == f"/s3-file-uploads/{row.pk}/"
    assert post(data["upload_form"], HELLO) == (204, "")
    assert UploadedFileSerializer(row, context=context).data["upload_form"] is None, "the form that is out stays good"
    row.completed_upload()
    complete = UploadedFileSerializer(UploadedFile.objects.get(), context=context).data
    assert (complete["upload_form"], got(complete["file"])) == (None, HELLO)


def test_the_serializer_gives_out_the_form_of_a_permitted_reupload(site: Path) -> None:
    uploaded = finished(user())
    uploaded.permit_reupload()
    uploaded.save()
    form = UploadedFileSerializer(UploadedFile.objects.get()).data["upload_form"]
    assert post(form, b"other") == (204, "")


def test_a_serializer_without_a_request_makes_rows_of_nobody(site: Path) -> None:
    serializer = UploadedFileSerializer(data={})
    assert serializer.is_valid()
    row = serializer.save()
    assert (row.user, row.file_upload_state) == (None, NEW)
    assert serializer.data["upload_form"]["fields"]
    assert row.file_upload_state == AWAIT_COMPLETE


def test_the_acl_serializer() -> None:
    for given, taken in (({}, "private"), ({"acl": "public-read"}, "public-read")):
        serializer = AccessControlListSerializer(data=given)
        assert serializer.is_valid()
        assert serializer.validated_data["acl"] == taken
    assert refused(AccessControlListSerializer(data={"acl": "nope"})) == {"acl": ['"nope" is not a valid choice.']}


def test_the_app_works_without_rest_framework(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['rest_framework'] = None\n"
        "import django\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['django.contrib.admin', 'django.contrib.auth', 'django.contrib.messages',\n"
        "    'django.contrib.contenttypes', 'django.contrib.sessions', 'kist.django'], SECRET_KEY='x' * 40)\n"
        "django.setup()\n"
        "import kist.django.models, kist.django.attaching, kist.django.urls.dabapps, kist.django.urls.crowdbotics\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
