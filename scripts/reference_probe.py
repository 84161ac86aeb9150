"""The table of checks and the policies for ``docs/reference/probe.md``."""

from __future__ import annotations

import json
from typing import Any

from scripts.reference_tables import table

from kist.model.backend import PUT_HEADERS, bucket_policy_for_signing, cors_rule, policy_for_signing
from kist.model.profile import NEEDED, Check
from kist.model.upload import Way

ASKED: dict[Check, str] = {
    Check.WRONG_SIGNATURE: "a put and a get whose signature was tampered with are refused",
    Check.OTHER_KEY: "a URL signed for one object is refused for another, for put and for get",
    Check.OTHER_METHOD: "a URL signed for one method is refused for another",
    Check.EXPIRED_URL: "a put and a get whose time is over are refused",
    Check.SIGNED_LENGTH: "a put that is longer or shorter than was signed, or chunked, is refused",
    Check.SIGNED_TYPE: "a put with another type than was signed, or with none, is refused",
    Check.SIGNED_MD5: "a put of other bytes than those whose `Content-MD5` was signed is refused",
    Check.SIGNED_ACL: "a put with `x-amz-acl: public-read` where another was signed, or with none, is refused",
    Check.PUT_COPY_SOURCE: "a put with an unsigned `x-amz-copy-source` or `X-Copy-From` does not copy another object",
    Check.PUT_ACL: "an unsigned `x-amz-acl: public-read` on a put that signs no ACL makes nothing public",
    Check.PUT_WORKS: "the right put is taken; the main key can look at, read, copy and erase what came",
    Check.PART_WORKS: "the right part is taken with an ETag, listed and joined; the main key can use what came of it",
    Check.PART_LENGTH: "a part that is longer or shorter than was signed, or chunked, is refused",
    Check.PART_COPY_SOURCE: "a part with an unsigned copy source does not copy another object",
    Check.FORM_WORKS: "the right form is taken; the main key can look at, read, copy and erase what came",
    Check.FORM_SIGNATURE: "a form whose signature was tampered with is refused",
    Check.FORM_SIZE: "a form with one byte more or less than its policy says is refused",
    Check.FORM_KEY: "a form with another key than its policy says is refused",
    Check.FORM_TYPE: "a form with another type than its policy says, or with none, is refused",
    Check.FORM_ACL: "a form with another ACL than its policy says, or with none, is refused",
    Check.FORM_EXTRA_FIELD: "a form with a field that its policy does not name is refused",
    Check.FORM_EXPIRED: "a form whose time is over is refused",
    Check.SEALING: "a copy stays as it is when its source is written again",
    Check.PRIVATE_ACL: "a put and a form with the ACL `private` are taken, and the main key can read what came",
    Check.CHECKSUM_SHA256: "a put of other bytes than those whose `x-amz-checksum-sha256` was signed is refused",
    Check.CORS: f"pages of all allowed origins may put with {', '.join(PUT_HEADERS)}, and post",
    Check.ETAG_EXPOSED: "pages of all allowed origins may read the ETag of what they put",
    Check.CLOCK: "the server's clock and this machine's are less than 5 minutes apart",
}
_INSTEAD = {
    Check.PRIVATE_ACL: "none: tickets ask for `bucket-owner-full-control` instead",
}


def checks() -> str:
    """Every check, what is asked, and the ways that it shuts."""
    rows = ((f"`{check.value}`", ASKED[check], shut_by(check)) for check in Check)
    return table(("check", "passed when", "shuts when it fails"), rows)


def shut_by(check: Check) -> str:
    """The ways that need ``check``, in words."""
    ways = [f"`{way.value}`" for way in Way if check in NEEDED[way]]
    return ", ".join(ways) or _INSTEAD.get(check, "none")


def signing_policy() -> str:
    """The policy of the restricted user."""
    return _json(policy_for_signing("my-files"))


def bucket_policy() -> str:
    """The same as a policy of the bucket."""
    return _json(
        bucket_policy_for_signing("my-files", "arn:aws:iam:::user/kist-signing", "arn:aws:iam:::user/kist-main")
    )


def cors() -> str:
    """The CORS rule as S3's tools want it."""
    rule = cors_rule(["https://app.example.com"])
    return _json(
        {
            "CORSRules": [
                {
                    "AllowedOrigins": rule.origins,
                    "AllowedMethods": rule.methods,
                    "AllowedHeaders": rule.headers,
                    "ExposeHeaders": rule.expose,
                    "MaxAgeSeconds": rule.max_age,
                }
            ]
        }
    )


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2)}\n```"
