"""What an operator sets up at an S3 server so that browsers may send bytes there themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kist.model.content import CorsRule
from kist.model.place import PARTS, STAGING

PUT_HEADERS = ("content-type", "content-md5", "x-amz-acl")
"""The headers that a page sets when it puts bytes with a ticket."""


def policy_for_signing(bucket: str) -> dict[str, Any]:
    """The IAM policy of the restricted user whose key signs tickets: write where bytes arrive, and nothing else.

    Setting an ACL is a right of its own at Amazon, which even a private one needs.
    """
    incoming, parts = _below(bucket, STAGING), _below(bucket, PARTS)
    return _policy(
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [incoming, parts]},
        {"Effect": "Allow", "Action": ["s3:PutObjectAcl"], "Resource": [incoming]},
    )


def bucket_policy_for_signing(bucket: str, signer: str, main: str) -> dict[str, Any]:
    """The same as a policy of the bucket, for Ceph's gateway, which judges forms by nothing else.

    ``signer`` is the ARN of the restricted user, ``main`` that of the user of the main key. The gateway lets whoever
    wrote an object read it and nobody else. So the signer is denied to read, else one ticket could copy what came with
    another; and the main key is allowed everything, else it could not read what came without an ACL.
    """
    who = {"AWS": [signer]}
    writes = [_below(bucket, STAGING), _below(bucket, PARTS)]
    whole = [_below(bucket).removesuffix("/*"), _below(bucket)]
    return _policy(
        {"Effect": "Allow", "Principal": {"AWS": [main]}, "Action": ["s3:*"], "Resource": whole},
        {"Effect": "Allow", "Principal": who, "Action": ["s3:PutObject"], "Resource": writes},
        {"Effect": "Deny", "Principal": who, "Action": ["s3:GetObject"], "Resource": [_below(bucket)]},
    )


def cors_rule(origins: Sequence[str]) -> CorsRule:
    """The rule that lets the pages of ``origins`` use tickets and links."""
    return CorsRule(
        origins=tuple(origins), methods=("PUT", "POST", "GET", "HEAD"), headers=PUT_HEADERS, expose=("ETag",)
    )


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _below(bucket: str, prefix: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{prefix}*"
