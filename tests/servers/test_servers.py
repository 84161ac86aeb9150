"""The S3 servers of the tests hold objects, look at signatures and keep users within their rights."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.servers.daemon import listens
from tests.servers.server import Missing, PostgresServer, S3Server, Server, read, variable, written
from tests.servers.users import restricted


@pytest.fixture(params=["rgw", "ministack", "swift"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def bucket() -> str:
    """The name of a bucket that is not there."""
    return f"servers-{uuid.uuid4().hex[:12]}"


@contextmanager
def s3(server: S3Server) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name=server.region,
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
        ),
    )
    try:
        yield client
    finally:
        client.close()


def test_an_object_comes_back_as_it_went(server: S3Server, bucket: str) -> None:
    with s3(server) as client:
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="a/ü", Body=b"bytes")
        with client.get_object(Bucket=bucket, Key="a/ü")["Body"] as body:
            assert body.read() == b"bytes"


def test_a_wrong_secret_is_refused(server: S3Server, bucket: str) -> None:
    with s3(replace(server, secret="wrong" * 8)) as client, pytest.raises(ClientError) as refused:
        client.create_bucket(Bucket=bucket)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_a_presigned_put_is_taken_as_it_was_signed_only(server: S3Server, bucket: str) -> None:
    signed = {"Bucket": bucket, "Key": "a", "ContentType": "text/plain", "ContentLength": 5}
    with s3(server) as client:
        client.create_bucket(Bucket=bucket)
        url = client.generate_presigned_url("put_object", Params=signed)
        assert _put(url, "text/plain") == 200
        assert _put(url, "text/html") == 403
        assert _put(url.replace(f"/{bucket}/a?", f"/{bucket}/b?"), "text/plain") == 403
        found = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(each["Key"], each["Size"]) for each in found] == [("a", 5)]


def _put(url: str, media_type: str) -> int:
    kind = {"content-type": media_type}
    answer = urllib3.request("PUT", url, headers=kind, body=b"bytes", retries=False, timeout=30)
    return answer.status


# Swift's users stand in its configuration from the start, and its access lists speak of whole buckets only.
@pytest.mark.parametrize("server", ["rgw", "ministack"], indirect=True)
def test_a_restricted_user_may_do_what_its_policy_says_and_no_more(server: S3Server, bucket: str) -> None:
    incoming = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"}
    user = restricted(server, [incoming])
    with s3(server) as owner:
        owner.create_bucket(Bucket=bucket)
        owner.put_object(Bucket=bucket, Key="in/owners", Body=b"x")
    with s3(user) as client:
        client.put_object(Bucket=bucket, Key="in/a", Body=b"x")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_object(Bucket=bucket, Key="elsewhere", Body=b"x")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.get_object(Bucket=bucket, Key="in/owners")


@pytest.mark.parametrize(
    ("name", "where"), [("rgw", "endpoint"), ("ministack", "endpoint"), ("swift", "endpoint"), ("postgres", "url")]
)
def test_no_server_outlives_whoever_asked_for_it(name: str, where: str, request: pytest.FixtureRequest) -> None:
    """A program that starts a server and is then killed."""
    request.getfixturevalue(name)
    program = (
        "from urllib.parse import urlsplit; from tests.servers.pool import Pool; "
        f"print(urlsplit(Pool().get('{name}').{where}).port, flush=True); input()"
    )
    environment = {each: value for each, value in os.environ.items() if each != variable(name)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as asker:
        assert asker.stdout is not None
        port = int(asker.stdout.readline())
        assert listens(port)
        asker.kill()
    give_up = time.monotonic() + 60
    while listens(port) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not listens(port)


@pytest.mark.parametrize(
    "server",
    [
        S3Server("rgw", "http://127.0.0.1:1", "key", "secret", "r"),
        PostgresServer("postgres", "postgresql://kist:x@127.0.0.1:1/postgres"),
        Missing("rgw", "not, to be had"),
        Missing("postgres", "not, to be had"),
    ],
)
def test_one_process_tells_another(server: Server | Missing) -> None:
    assert read(server.name, written(server)) == server
