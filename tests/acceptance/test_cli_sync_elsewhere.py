"""``kist sync`` with ``s3://``: any S3 server, with the keys of the environment, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.acceptance.served import disk_settings, serving
from tests.acceptance.test_cli_files import Shell
from tests.dialects.s3sync_site import new_bucket
from tests.servers.server import S3Server
from tests.servers.tls_front import tls_front


def ours(server: S3Server) -> dict[str, str]:
    return {"KIST_S3_ENDPOINT": server.endpoint, "KIST_S3_KEY": server.key, "KIST_S3_SECRET": server.secret}


def amazons(server: S3Server) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": server.key, "AWS_SECRET_ACCESS_KEY": server.secret
    }  # fmt: skip


def shell(tmp_path: Path, **environment: str) -> Shell:
    """A home, and a folder of two files."""
    (tmp_path / "work").mkdir(exist_ok=True)
    found = Shell(tmp_path / "work", {"KIST_HOME": str(tmp_path / "home"), **environment})
    found.write("photos/a.txt", "a")
    found.write("photos/deep/b.txt", "b")
    found("migrate")
    return found


def client_of(server: S3Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name=server.region,
    )


def objects(server: S3Server, bucket: str) -> dict[str, bytes]:
    client = client_of(server)
    try:
        keys = [each["Key"] for each in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
        readable = [key for key in keys if not key.startswith(".kist/")]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in readable}
    finally:
        client.close()


@pytest.mark.parametrize(("name", "named"), [("rgw", ours), ("ministack", amazons)])
def test_a_folder_there_and_back(request: pytest.FixtureRequest, tmp_path: Path, name: str, named: Any) -> None:
    server, bucket = request.getfixturevalue(name), new_bucket()
    client_of(server).create_bucket(Bucket=bucket)
    kist = shell(tmp_path, **named(server))
    assert "2 files to send (2 B)" in kist("sync", "--dry-run", "./photos", f"s3://{bucket}/copy").stdout
    assert "2 files sent (2 B)" in kist("sync", "./photos", f"s3://{bucket}/copy").stdout
    assert objects(server, bucket) == {"copy/a.txt": b"a", "copy/deep/b.txt": b"b"}
    assert "2 unchanged" in kist("sync", "./photos", f"s3://{bucket}/copy/").stdout
    assert "2 files sent (2 B)" in kist("sync", f"s3://{bucket}/copy", "./back").stdout
    assert (kist.folder / "back/deep/b.txt").read_bytes() == b"b"
    (kist.folder / "photos/a.txt").unlink()
    assert "1 deleted" in kist("sync", "--delete", "./photos", f"s3://{bucket}/copy").stdout
    assert objects(server, bucket) == {"copy/deep/b.txt": b"b"}
    assert f"s3+{server.endpoint}/{bucket}/copy" in kist("job", "ls").stdout
    assert "brought back" in kist("job", "undo", "5").stdout
    assert objects(server, bucket) == {"copy/a.txt": b"a", "copy/deep/b.txt": b"b"}


def test_keys_go_where_they_belong_and_nowhere_else(tmp_path: Path, rgw: S3Server) -> None:
    kist = shell(tmp_path)

    def refused(*command: str, **environment: str) -> str:
        return Shell(kist.folder, kist.environment | environment)(*command, code=70).stderr

    sync = ("sync", "./photos", "s3://bucket/copy")
    assert "https://s3.us-east-1.amazonaws.com, which needs keys: set AWS_ACCESS_KEY_ID" in refused(*sync)
    assert "set KIST_S3_KEY and KIST_S3_SECRET" in refused(*sync, KIST_S3_ENDPOINT=rgw.endpoint)
    mixed = amazons(rgw) | {"KIST_S3_ENDPOINT": rgw.endpoint}
    assert "set KIST_S3_KEY and KIST_S3_SECRET" in refused(*sync, **mixed)
    for url in ("x", "https://user:secret@host", "https://host/path"):
        said = refused(*sync, KIST_S3_ENDPOINT=url, KIST_S3_KEY="k", KIST_S3_SECRET="s" * 40)
        assert "KIST_S3_ENDPOINT: write an address" in said
        assert "secret@" not in said
    (kist.folder / ".env").write_text(f"AWS_ENDPOINT_URL={rgw.endpoint}\n")
    there = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "eu-central-1"}
    said = Shell(kist.folder, kist.environment | there | {"AWS_ENDPOINT_URL": ""})(
        "sync", "./photos", "s3+https://other.example.com/bucket", code=2
    ).stderr
    assert "are for https://s3.eu-central-1.amazonaws.com, and not for https://other.example.com" in said


def test_what_fails_names_no_key(tmp_path: Path, rgw: S3Server) -> None:
    kist = shell(tmp_path, **ours(rgw) | {"KIST_S3_SECRET": "canary-" + "s" * 30})
    said = kist("sync", "./photos", f"s3://{new_bucket()}", code=70).stderr
    assert "job 1 failed: the object store refused" in said
    assert "canary" not in said
    right = Shell(kist.folder, kist.environment | ours(rgw))
    absent = new_bucket()
    assert "there is no such bucket" in right("sync", "./photos", f"s3://{absent}", code=2).stderr
    client_of(rgw).create_bucket(Bucket=absent)
    assert "2 files sent" in right("job", "resume", "2").stdout


def test_with_a_server_it_is_refused(tmp_path: Path, rgw: S3Server) -> None:
    with serving(disk_settings(tmp_path / "home")) as site:
        kist = Shell(tmp_path, {"KIST_SERVER": site.url, "KIST_KEY": site.admin.key or "", **ours(rgw)})
        assert "leave --server out" in kist("sync", "bucket", "s3://bucket", code=2).stderr
        refused = kist("sync", site.settings.bucket, f"s3+{rgw.endpoint}/bucket", code=2).stderr
        assert "needs access_key and secret_key" in refused


def test_a_certificate_is_good_for_the_name_that_was_given_or_nothing_is_sent(tmp_path: Path, rgw: S3Server) -> None:
    """The name goes on being the one that certificates are judged by, although its address is what is connected to."""
    bucket = new_bucket()
    client_of(rgw).create_bucket(Bucket=bucket)
    port = int(rgw.endpoint.rpartition(":")[2])
    with tls_front(tmp_path, ["localhost"], port) as front:
        there = ours(rgw) | {"KIST_S3_ENDPOINT": f"https://localhost:{front.port}"}
        kist = shell(tmp_path, **there)
        assert "certificate is not trusted" in kist("sync", "./photos", f"s3://{bucket}", code=70).stderr
        known = Shell(kist.folder, kist.environment | {"SSL_CERT_FILE": str(front.ca)})
        assert "2 files sent" in known("sync", "./photos", f"s3://{bucket}").stdout
        other = {"KIST_S3_ENDPOINT": f"https://127.0.0.1:{front.port}"}
        unnamed = Shell(kist.folder, known.environment | other)
        assert "certificate is not trusted" in unnamed("sync", "./photos", f"s3://{bucket}/x", code=70).stderr
