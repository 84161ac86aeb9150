"""Further users of a running server, with no more rights than a policy gives them."""

from __future__ import annotations

import json
import secrets
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.servers.server import S3Server

Statement = dict[str, Any]


def restricted(server: S3Server, statements: Sequence[Statement]) -> S3Server:
    """The same server with the key of a new user who may do what the IAM ``statements`` allow, and nothing else.

    On the gateway a user also owns, and so may read, the objects it wrote itself. There are no such users on Swift.
    """
    name = f"user-{secrets.token_hex(4)}"
    make = _gateway_user if server.name == "rgw" else iam_user
    return make(server, name, statements)


def iam_user(server: S3Server, name: str, statements: Sequence[Statement]) -> S3Server:
    with closing(_iam(server)) as iam:
        iam.create_user(UserName=name)
        _put_policy(iam, name, statements)
        key = iam.create_access_key(UserName=name)["AccessKey"]
    return replace(server, key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def _gateway_user(server: S3Server, name: str, statements: Sequence[Statement]) -> S3Server:
    """The gateway makes users by its admin interface only; their policies by IAM."""
    user = replace(server, key=secrets.token_hex(10), secret=secrets.token_hex(20))
    facts = {"uid": name, "display-name": name, "access-key": user.key, "secret-key": user.secret}
    _gateway_admin(server, "PUT", facts)
    with closing(_iam(server)) as iam:
        _put_policy(iam, name, statements)
    return user


def arn(server: S3Server, user: S3Server) -> str:
    """How policies of the gateway's buckets name the owner of the key of ``user``."""
    return f"arn:aws:iam:::user/{_gateway_admin(server, 'GET', {'access-key': user.key})['user_id']}"


def _gateway_admin(server: S3Server, method: str, facts: Mapping[str, str]) -> Any:
    url = f"{server.endpoint}/admin/user?{urllib.parse.urlencode(facts)}"
    signed = AWSRequest(method, url)
    S3SigV4Auth(Credentials(server.key, server.secret), "s3", server.region).add_auth(signed)
    request = urllib.request.Request(url, method=method, headers=dict(signed.headers.items()))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _iam(server: S3Server) -> Any:
    return boto3.client(
        "iam",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name=server.region,
    )


def _put_policy(iam: Any, name: str, statements: Sequence[Statement]) -> None:
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy))
