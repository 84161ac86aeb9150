"""Every signature is the one that botocore makes: for headers, presigned URLs and POST forms."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from kist.stores.s3.address import Addresses
from kist.stores.s3.settings import Style
from kist.stores.s3.signer import UNSIGNED, Credential, Signer, encode_query

THOUSANDS = settings(max_examples=2000, deadline=None)

_UNSIGNED_BY_BOTOCORE = {"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host"}
_UNSIGNED_BY_BOTOCORE |= {"user-agent", "x-amzn-trace-id", "baggage", "traceparent", "tracestate", "authorization"}

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
plain = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
credentials = st.builds(Credential, plain, secrets, st.none() | secrets)
regions = st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "default", "ap-southeast-7"]) | plain
keys = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60),
    st.sampled_from(["a b+c/ü&=%41 (1)~é.txt", "a//b", "../x", "x/./y", "%2F", "~*'()!", "😀/日本", "?x=1#f", "a\tb"]),
)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,15}", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Zs"]), max_size=20)
spaced = st.lists(values, max_size=3).map("  ".join)
headers = st.dictionaries(names, spaced, max_size=4).map(
    lambda found: tuple(
        {
            name.lower(): (name, value)
            for name, value in found.items()
            if name.lower() not in _UNSIGNED_BY_BOTOCORE and not name.lower().startswith("x-amz-")
        }.values()
    )
)
known = st.sampled_from(["partNumber", "uploadId", "response-content-disposition", "prefix", "uploads", "list-type"])
queries = st.dictionaries(known | plain, text, max_size=4).map(lambda found: tuple(found.items()))
moments = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
methods = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"])
servers: st.SearchStrategy[tuple[str | None, Style]] = st.sampled_from(
    [
        (None, "auto"),
        (None, "path"),
        ("http://127.0.0.1:8101", "auto"),
        ("https://s3.example.org", "host"),
        ("http://host:80/under/it", "host"),
        ("https://host:443/under/it", "path"),
        ("https://[::1]:9000", "path"),
    ]
)
places = st.builds(
    lambda server, region, key: (region, Addresses(server[0], region, server[1]).of("a-bucket", key)),
    servers,
    regions,
    keys,
)


def theirs(credential: Credential) -> Credentials:
    return Credentials(credential.key, credential.secret, credential.token)


def at(now: datetime) -> Any:
    return patch("botocore.auth.get_current_datetime", lambda *_, **__: now)


@THOUSANDS
@given(credentials, places, methods, queries, headers, st.none() | st.binary(max_size=50), moments)
def test_headers_are_signed_as_botocore_does(
    credential: Credential, place: Any, method: str, query: Any, headers: Any, body: bytes | None, now: datetime
) -> None:
    region, address = place
    signs = body is not None
    encoded = encode_query(query)
    request: Any = AWSRequest(method, address.url(encoded), dict(headers), body)
    request.context["client_config"] = _Config(signs)
    with at(now):
        S3SigV4Auth(theirs(credential), "s3", region).add_auth(request)
    payload = request.headers["X-Amz-Content-SHA256"]
    assert (payload == UNSIGNED) is not signs

    ours = Signer(credential, region).headers(method, address, encoded, headers, payload, now)

    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")


@THOUSANDS
@given(credentials, places, methods, queries, headers, st.integers(1, 604800), moments)
def test_presigned_urls_are_signed_as_botocore_does(
    credential: Credential, place: Any, method: str, query: Any, headers: Any, seconds: int, now: datetime
) -> None:
    region, address = place
    plain_url = address.url("&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query))
    request: Any = AWSRequest(method, plain_url, dict(headers))
    with at(now):
        S3SigV4QueryAuth(theirs(credential), "s3", region, expires=seconds).add_auth(request)

    ours = Signer(credential, region).url(method, address, query, headers, seconds, now)

    assert urlsplit(ours)[:3] == urlsplit(request.url)[:3]
    assert _parameters(ours) == _parameters(request.url)


@THOUSANDS
@given(
    credentials,
    regions,
    st.dictionaries(plain, text, max_size=4),
    st.integers(0, 10**12),
    st.integers(1, 604800),
    moments,
)
def test_forms_are_signed_as_botocore_does(
    credential: Credential, region: str, fields: dict[str, str], size: int, seconds: int, now: datetime
) -> None:
    now = now.replace(microsecond=0)
    end = now + timedelta(seconds=seconds)
    conditions: list[Any] = [["eq", f"${name}", value] for name, value in fields.items()]
    conditions.append(["content-length-range", 0, size])
    request: Any = AWSRequest("POST", "http://host/bucket")
    request.context["s3-presign-post-policy"] = {
        "expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": list(conditions),
    }
    with at(now):
        S3SigV4PostAuth(theirs(credential), "s3", region).add_auth(request)

    ours = Signer(credential, region).form(conditions, end, now)

    assert ours == request.context["s3-presign-post-fields"]
    assert json.loads(base64.b64decode(ours["policy"])) == request.context["s3-presign-post-policy"]


@given(credentials, regions, st.lists(moments, min_size=2, max_size=6))
def test_a_signer_may_be_used_across_days(credential: Credential, region: str, days: list[datetime]) -> None:
    address = Addresses(None, region).of("bucket", "key")
    used = Signer(credential, region)
    for now in days:
        fresh = Signer(credential, region).url("GET", address, (), (), 60, now)
        assert used.url("GET", address, (), (), 60, now) == fresh


def _parameters(url: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True))


class _Config:
    def __init__(self, signs_body: bool) -> None:
        self.s3 = {"payload_signing_enabled": signs_body}
