"""Where requests go, and what tickets are refused before they are signed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.s3.stub import Stub

from kist.errors import Invalid, Misconfigured
from kist.model.content import FormLimits
from kist.model.place import Place
from kist.ports.store import Copies, HoldsBuckets, ObjectStore, Probes, SetsCors, Signs, TakesParts
from kist.stores.s3 import S3Settings, open_blocking_store, open_store
from kist.stores.s3.address import Addresses
from kist.stores.s3.settings import Style
from kist.testing.clock import FakeClock, FakeIds

PLACE = Place("bucket", "a b/c")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("endpoint", "region", "style", "url"),
    [
        (None, "us-east-1", "auto", "https://bucket.s3.us-east-1.amazonaws.com/a%20b/c"),
        (None, "eu-west-1", "path", "https://s3.eu-west-1.amazonaws.com/bucket/a%20b/c"),
        (None, "cn-north-1", "auto", "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b/c"),
        (
            "https://s3.eu-west-1.amazonaws.com",
            "eu-west-1",
            "auto",
            "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c",
        ),
        ("http://127.0.0.1:9000", "x", "auto", "http://127.0.0.1:9000/bucket/a%20b/c"),
        ("http://Store:80/", "x", "host", "http://bucket.store/a%20b/c"),
        ("https://store:443/s3/", "x", "auto", "https://store/s3/bucket/a%20b/c"),
        ("https://store:80", "x", "host", "https://bucket.store:80/a%20b/c"),
        ("http://[::1]:9000", "x", "path", "http://[::1]:9000/bucket/a%20b/c"),
    ],
)
def test_addresses(endpoint: str | None, region: str, style: Style, url: str) -> None:
    assert Addresses(endpoint, region, style).of("bucket", "a b/c").url() == url


def test_addresses_of_buckets_and_servers() -> None:
    path, host = Addresses("http://store", "x"), Addresses("http://store", "x", "host")
    assert [path.of().url(), path.of("bucket").url()] == ["http://store/", "http://store/bucket"]
    assert [host.of().url(), host.of("bucket").url("a=b")] == ["http://store/", "http://bucket.store/?a=b"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "store",
        "//store",
        "ftp://store",
        "http://",
        "http://key:secret@store",
        "http://store?x",
        "http://store#x",
        "http://s:x",
        "http://[::1",
        "http://a..b",
    ],
)
def test_endpoints_that_cannot_work(endpoint: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Addresses(endpoint, "us-east-1")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "http://[::1]:9000"])
def test_a_bucket_cannot_stand_before_a_bare_address(endpoint: str) -> None:
    with pytest.raises(Misconfigured, match="style=host"):
        Addresses(endpoint, "us-east-1", "host")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([("Host", "elsewhere")], []),
        ([("a", "1"), ("A", "2")], []),
        ([], [("X-Amz-Expires", "604800")]),
        ([], [("x-amz-signature", "0")]),
    ],
)
def test_requests_that_are_not_signed(headers: Any, query: Any) -> None:
    with pytest.raises(Invalid):
        Stub().store().sign("PUT", PLACE, HOUR, headers=headers, query=query)


def test_a_signed_request_says_what_to_send() -> None:
    signed = Stub().store().sign("PUT", PLACE, HOUR, headers=[("Content-Type", "a/b")])
    assert (signed.method, signed.headers) == ("PUT", (("Content-Type", "a/b"),))
    assert signed.expires_at == datetime(2026, 1, 1, 13, tzinfo=UTC)
    assert "X-Amz-SignedHeaders=content-type%3Bhost&" in signed.url


@pytest.mark.parametrize(
    "limits",
    [
        FormLimits(max_size=1, fields=(("key", "x"),)),
        FormLimits(max_size=1, fields=(("Policy", "x"),)),
        FormLimits(max_size=1, fields=(("X-Amz-Security-Token", "x"),)),
        FormLimits(max_size=1, fields=(("acl", "private"), ("ACL", "public-read"))),
        FormLimits(max_size=1, fields=(("success_action_redirect", "http://a/${filename}"),)),
        FormLimits(max_size=1, min_size=2),
        FormLimits(max_size=1, min_size=-1),
    ],
)
def test_forms_that_are_not_signed(limits: FormLimits) -> None:
    with pytest.raises(Invalid):
        Stub().store().sign_form(PLACE, HOUR, limits)


def test_a_key_that_stores_would_change() -> None:
    with pytest.raises(Invalid):
        Stub().store().sign_form(Place("bucket", "a/${filename}"), HOUR, FormLimits(max_size=1))


def test_a_form_leaves_nothing_open() -> None:
    limits = FormLimits(min_size=5, max_size=5, fields=(("Content-Type", "text/plain"), ("acl", "private")))
    form = Stub().store(session_token="token").sign_form(PLACE, HOUR, limits)
    names = [name for name, _ in form.fields]
    assert form.url == "http://store/bucket"
    assert names[0] == "key"
    conditions = json.loads(base64.b64decode(dict(form.fields)["policy"]))["conditions"]
    exact = {"key": "a b/c", "Content-Type": "text/plain", "acl": "private"}
    assert [each for each in conditions if isinstance(each, list)] == [
        *(["eq", f"${name}", value] for name, value in exact.items()),
        ["content-length-range", 5, 5],
    ]
    named = {name for each in conditions if isinstance(each, dict) for name in each} | set(exact)
    assert set(names) - named == {"policy", "x-amz-signature"}, "every field is bound by the policy"
    assert {"bucket", "x-amz-security-token"} <= named


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": None},
        {"key": None},
        {"key": ""},
        {"signing_key": "K"},
        {"signing_secret": "s"},
        {"endpoint": "x"},
        {"style": "paht"},
        {"region": ""},
        {"region": "a b"},
        {"public_endpoint": "x"},
    ],
)
def test_settings_that_cannot_work(changed: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        Stub().store(**changed)


def test_secrets_do_not_show() -> None:
    settings = S3Settings(key="KEY", secret="canary", session_token="canary", signing_key="S", signing_secret="canary")
    store = open_blocking_store(settings, FakeClock(), FakeIds())
    assert "canary" not in f"{settings!r} {store!r} {store.sign('PUT', PLACE, HOUR)!r}"
    # A session token is no secret by itself, and reads by temporary keys carry it: S3 wants it in the URL.
    assert store.sign("GET", PLACE, HOUR).url.count("canary") == 1


def test_one_store_has_every_ability() -> None:
    store = Stub().store()
    able: tuple[ObjectStore, HoldsBuckets, Copies, TakesParts, SetsCors, Signs, Probes] = (store,) * 7
    for ability in (HoldsBuckets, Copies, TakesParts, SetsCors, Signs, Probes):
        assert isinstance(able[0], ability)


def test_builders_need_no_server() -> None:
    for build in (open_store, open_blocking_store):
        store = build(S3Settings(key="KEY", secret="s", endpoint="http://store"), FakeClock(), FakeIds())
        assert store.sign("GET", PLACE, HOUR).url.startswith("http://store/bucket/a%20b/c?X-Amz-Algorithm=AWS4-HMAC")
