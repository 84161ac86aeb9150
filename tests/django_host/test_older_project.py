"""Projects that come from django-s3-file-upload keep their imports, migrations, relations, rows and objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.django_host.projects import on_disk, on_s3
from tests.servers.server import S3Server

ROOT = Path(__file__).parents[2]


def run(home: Path, url: str, kist: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """What the project saw."""
    given = json.dumps({"home": str(home), "database": url, "kist": kist, "rows": rows}, default=str)
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", "tests.django_host.older_project"]
    done = subprocess.run(command, cwd=home, env=variables, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    sqlite = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    return sqlite if request.param == "sqlite" else str(request.getfixturevalue("database"))


def older_row(state: str, filename: str, *, file_key: str = "", anns: bool = True) -> dict[str, Any]:
    known = {"id": str(uuid.uuid4()), "filename": filename, "file_key": file_key}
    return known | {"file_upload_state": state, "anns": anns}


def test_rows_objects_and_relations_stay_what_they_are(url: str, tmp_path: Path, rgw: S3Server) -> None:
    bucket = f"older-{uuid.uuid4().hex[:12]}"
    keyed = older_row("COMPLETED", "b.pdf", file_key=f"reports/{uuid.uuid4()}.pdf")
    plain, nobodys = older_row("COMPLETED", "a.txt"), older_row("COMPLETED", "x\\y", anns=False)
    lost, waiting = older_row("COMPLETED", "gone.txt"), older_row("AWAIT_COMPLETE", "w.txt")
    client = boto3.client(
        "s3",
        endpoint_url=rgw.endpoint,
        region_name=rgw.region,
        aws_access_key_id=rgw.key,
        aws_secret_access_key=rgw.secret,
    )
    client.create_bucket(Bucket=bucket)
    lying = {plain["id"]: b"plain", keyed["file_key"]: b"keyed", nobodys["id"]: b"nobody's"}
    for key, body in lying.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)
    seen = run(tmp_path, url, on_s3(rgw, bucket), [plain, keyed, nobodys, lost, waiting])
    assert seen["out"].strip() == "0 rows copied; objects: 3 made files, 0 there already"
    assert (seen["code"], seen["told"].startswith(f"{lost['id']}: ")) == (4, True)
    rows = seen["rows"]
    assert {row: rows[row]["state"] for row in rows} == {
        plain["id"]: "COMPLETED",
        keyed["id"]: "COMPLETED",
        nobodys["id"]: "COMPLETED",
        lost["id"]: "NEW",
        waiting["id"]: "NEW",
    }
    assert [rows[each["id"]]["content"] for each in (plain, keyed, nobodys)] == ["plain", "keyed", "nobody's"]
    assert [rows[each["id"]]["key"] for each in (plain, keyed)] == [plain["id"], keyed["file_key"]]
    assert [rows[each["id"]]["user"] for each in (plain, nobodys)] == ["ann", None]
    assert seen["sheep"] == [plain["id"], keyed["id"], 2]
    assert seen["left"] == 0, "deleted by its older name, a file takes along what hangs on it"
    assert seen["doomed"] == 1
    assert (seen["held"], seen["size"], seen["serialized"]) == (True, 5, "a.txt")
    assert seen["kinds"] == ["s3_file_uploads.models"] * 2
    assert seen["changes"] == "No changes detected"
    keys = {entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert set(lying) <= keys, "no object was moved"


def test_a_new_project_can_use_the_older_names(url: str, tmp_path: Path) -> None:
    seen = run(tmp_path, url, on_disk(tmp_path), [])
    assert "s3_file_uploads_uploadedfile" not in seen["tables"]
    assert (seen["held"], seen["changes"]) == (True, "No changes detected")
