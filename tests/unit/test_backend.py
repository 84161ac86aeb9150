"""What an operator is told to allow is as much as tickets need, and no more."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from kist.model.backend import PUT_HEADERS, bucket_policy_for_signing, cors_rule, policy_for_signing

SIGNER, MAIN = "arn:aws:iam:::user/kist-signer", "arn:aws:iam:::user/kist"
POLICIES = [policy_for_signing("files"), bucket_policy_for_signing("files", SIGNER, MAIN)]


def _of_signer(policy: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in policy["Statement"] if each.get("Principal", {"AWS": [SIGNER]}) == {"AWS": [SIGNER]}]


def allowed(policy: dict[str, Any], action: str, key: str) -> bool:
    """As IAM judges for the signer: one statement allows it and none denies it."""
    resource = f"arn:aws:s3:::{key}"
    effects = {
        statement["Effect"]
        for statement in _of_signer(policy)
        if action in statement["Action"] and any(fnmatchcase(resource, each) for each in statement["Resource"])
    }
    return effects == {"Allow"}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_signer_may_write_where_bytes_arrive_and_nowhere_else(policy: dict[str, Any]) -> None:
    assert allowed(policy, "s3:PutObject", "files/.kist/in/a")
    assert allowed(policy, "s3:PutObject", "files/.kist/parts/a")
    for key in ("files/.kist/objects/a", "files/a", "files", "files/.kist/in", "files-2/.kist/in/a"):
        assert not allowed(policy, "s3:PutObject", key)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_signer_may_do_nothing_else(policy: dict[str, Any]) -> None:
    named = {action for each in _of_signer(policy) if each["Effect"] == "Allow" for action in each["Action"]}
    assert named <= {"s3:PutObject", "s3:PutObjectAcl"}
    assert "*" not in "".join(named)


def test_the_bucket_denies_the_signer_to_read_even_what_it_wrote() -> None:
    denied = [each for each in POLICIES[1]["Statement"] if each["Effect"] == "Deny"]
    assert [(each["Principal"], each["Action"], each["Resource"]) for each in denied] == [
        ({"AWS": [SIGNER]}, ["s3:GetObject"], ["arn:aws:s3:::files/*"])
    ]


def test_the_main_key_keeps_everything_on_its_bucket() -> None:
    (mains,) = [each for each in POLICIES[1]["Statement"] if each["Principal"] == {"AWS": [MAIN]}]
    assert (mains["Effect"], mains["Action"]) == ("Allow", ["s3:*"])
    assert mains["Resource"] == ["arn:aws:s3:::files", "arn:aws:s3:::files/*"]


def test_pages_may_use_tickets_and_see_etags() -> None:
    rule = cors_rule(["https://a.example", "https://b.example"])
    assert rule.origins == ("https://a.example", "https://b.example")
    assert set(rule.methods) == {"PUT", "POST", "GET", "HEAD"}
    assert rule.headers == PUT_HEADERS == ("content-type", "content-md5", "x-amz-acl")
    assert rule.expose == ("ETag",)
