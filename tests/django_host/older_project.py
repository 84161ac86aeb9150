"""A project that comes from django-s3-file-upload, in a process of its own; what it saw is printed as JSON."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import urllib3
from tests.django_host import site

site.APPS[site.APPS.index("tests.django_host.llamas") :] = ["s3_file_uploads", "tests.django_host.herd"]
given = json.loads(sys.stdin.read())
site.configure(Path(given["home"]), given["database"], given["kist"])

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402
from tests.django_host.herd.models import Sheep  # noqa: E402

from kist.django.rows import File  # noqa: E402
from s3_file_uploads.fields import UploadedFilePrimaryKeyRelatedField  # noqa: E402
from s3_file_uploads.models import UploadedFile  # noqa: E402
from s3_file_uploads.serializers import UploadedFileSerializer  # noqa: E402

OLDER = [
    ("s3_file_uploads", "0002_uploadedfile_user"),
    ("herd", "0001_initial"),
    ("auth", "0012_alter_user_first_name_max_length"),
]


def fill(rows: list[dict[str, Any]]) -> None:
    """The database as the older app has left it."""
    executor = MigrationExecutor(connection)
    apps = executor.migrate(OLDER).apps
    ann = apps.get_model("auth", "User").objects.create(username="ann")
    older, sheep = apps.get_model("s3_file_uploads", "UploadedFile"), apps.get_model("herd", "Sheep")
    for row in rows:
        older.objects.create(user_id=ann.pk if row.pop("anns") else None, **row)
    first, second = (older.objects.get(pk=row["id"]) for row in rows[:2])
    sheep.objects.create(file=first, spare=second).more.add(first, second)


def adopt() -> dict[str, Any]:
    """Move to Kist as the guide says."""
    call_command("migrate", verbosity=0)
    out, told = StringIO(), StringIO()
    code = 0
    try:
        call_command("kist_adopt_s3_file_uploads", stdout=out, stderr=told)
    except CommandError as error:
        code = error.returncode
    again = StringIO()
    call_command("kist_adopt_s3_file_uploads", "--dry-run", stdout=again)
    return {"out": out.getvalue(), "told": told.getvalue(), "code": code, "again": again.getvalue()}


def look() -> dict[str, Any]:
    """What is there afterwards."""
    sheep = Sheep.objects.get()
    rows = {
        str(row.pk): {
            "state": row.file_upload_state,
            "created": row.created.isoformat(),
            "user": None if row.user is None else row.user.username,
            "content": _content(row),
            "key": File.objects.filter(pk=str(row.pk)).values_list("key", flat=True).first(),
        }
        for row in UploadedFile.objects.all()
    }
    field = UploadedFilePrimaryKeyRelatedField()
    request = type("Request", (), {"user": get_user_model().objects.get()})()
    field._context = {"request": request}
    return {
        "rows": rows,
        "sheep": [str(sheep.file.pk), str(sheep.spare.pk), len(sheep.more.all())],
        "kinds": [type(sheep.file).__module__, type(field.to_internal_value(str(sheep.file.pk))).__module__],
        "size": sheep.file.row.size,
        "serialized": UploadedFileSerializer(sheep.file).data["filename"],
        "held": _held(),
        "changes": _changes(),
    }


def delete() -> dict[str, Any]:
    """A file is deleted by its older name, with what hangs on it."""
    sheep = Sheep.objects.get()
    key = File.objects.get(pk=str(sheep.file.pk)).key
    sheep.file.delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM doomed WHERE key = %s", [key])
        doomed = cursor.fetchone()[0]
    return {"left": Sheep.objects.count(), "doomed": doomed}


def _content(row: Any) -> str | None:
    if row.file_upload_state != "COMPLETED":
        return None
    return urllib3.request("GET", row.get_download_url(), timeout=30).data.decode()


def _held() -> bool:
    """Whether the database itself keeps relations to rows that are not there from being made."""
    try:
        with transaction.atomic():
            Sheep.objects.filter().update(spare_id="00000000-0000-0000-0000-000000000001")
            connection.check_constraints()
    except IntegrityError:
        return True
    return False


def _changes() -> str:
    out = StringIO()
    call_command("makemigrations", "--dry-run", stdout=out)
    return out.getvalue().strip()


if __name__ == "__main__":
    seen: dict[str, Any] = {}
    if given["rows"]:
        fill(given["rows"])
        seen |= adopt() | look() | delete()
    else:
        call_command("migrate", verbosity=0)
        with connection.cursor() as names:
            tables = connection.introspection.table_names(names)
        new = UploadedFile.objects.create(filename="a.txt")
        Sheep.objects.create(file=new)
        seen |= {"tables": tables, "held": _held(), "changes": _changes(), "sheep": str(Sheep.objects.get().file.pk)}
    print(json.dumps(seen))
