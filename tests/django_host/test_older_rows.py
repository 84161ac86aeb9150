"""``manage.py kist_adopt_s3_file_uploads`` where the older app is gone from the project and its table is left."""

from __future__ import annotations

import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test.utils import isolate_apps
from django.utils import timezone
from tests.django_host.projects import got, user

from kist.django.composition import assembled
from kist.django.models import COMPLETED, NEW, File, UploadedFile
from kist.drive import drive
from kist.model.content import PutRules
from kist.model.place import Place
from kist.wire.body import body_of

COMMAND = "kist_adopt_s3_file_uploads"


@pytest.fixture
def older(each_site: Path) -> Any:
    """The model of the older table, which is there and empty."""
    with isolate_apps():

        class Older(models.Model):
            id = models.UUIDField(primary_key=True, default=uuid.uuid4)
            created = models.DateTimeField(default=timezone.now)
            modified = models.DateTimeField(auto_now=True)
            file_key = models.CharField(max_length=255, blank=True)
            filename = models.CharField(max_length=255, blank=True)
            file_upload_state = models.CharField(max_length=50, default="COMPLETED")
            user_id = models.IntegerField(null=True)

            class Meta:
                app_label = "older"
                db_table = "s3_file_uploads_uploadedfile"

    with connection.schema_editor() as editor:
        editor.create_model(Older)
    return Older


def lying(key: str, data: bytes) -> None:
    """An object is there."""
    ports = assembled().ports
    drive(ports.store.put(Place(ports.bucket, key), body_of(data), PutRules()))


def told() -> tuple[str, str, int]:
    """What the command says, of what it leaves out, and with which code it leaves."""
    out, left = StringIO(), StringIO()
    try:
        call_command(COMMAND, stdout=out, stderr=left)
    except CommandError as error:
        return out.getvalue(), left.getvalue(), error.returncode
    return out.getvalue(), left.getvalue(), 0


def test_rows_are_copied_and_objects_become_files(older: Any) -> None:
    ann = user()
    plain = older.objects.create(filename="a.txt", user_id=ann.pk)
    keyed = older.objects.create(filename="b.txt", file_key="old/b.txt")
    waiting = older.objects.create(file_upload_state="AWAIT_COMPLETE")
    lying(str(plain.pk), b"plain")
    lying("old/b.txt", b"keyed")
    assert told() == ("3 rows copied; objects: 2 made files, 0 there already\n", "", 0)
    rows = {row.pk: row for row in UploadedFile.objects.all()}
    assert [rows[row.pk].file_upload_state for row in (plain, keyed, waiting)] == [COMPLETED, COMPLETED, NEW]
    assert (rows[plain.pk].user, rows[plain.pk].created) == (ann, plain.created)
    assert [got(rows[row.pk].get_view_url()) for row in (plain, keyed)] == [b"plain", b"keyed"]
    assert rows[keyed.pk].get_file_key() == "old/b.txt"
    assert told() == ("0 rows copied; objects: 0 made files, 2 there already\n", "", 0)
    rows[waiting.pk].get_upload_form()


def test_an_object_has_one_file(older: Any) -> None:
    first, second = (older.objects.create(file_key="shared") for _ in range(2))
    lying("shared", b"x")
    out, left, code = told()
    assert ("1 made files" in out, code) == (True, 4)
    assert left.count("\n") == 1
    assert File.objects.filter(pk__in=[str(first.pk), str(second.pk)]).count() == 1


def test_keys_that_no_store_should_hold_are_left_out(older: Any) -> None:
    row = older.objects.create(file_key="../x")
    _, left, code = told()
    assert (left.startswith(f"{row.pk}: '../x'"), code) == (True, 4)


def test_without_the_table_it_says_so(site: Path) -> None:
    with pytest.raises(CommandError, match="there is no table"):
        call_command(COMMAND)
