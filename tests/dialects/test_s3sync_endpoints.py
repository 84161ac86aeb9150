"""Fault 2 and 3 of the S3 Synchronization API (contracts 5.4): other S3 servers, and the keys for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.served import memory_settings
from tests.dialects.s3sync_site import Mirror, mirroring, refused

from kist.dialects.s3sync import show_error
from kist.errors import EndpointRefused, SourceRefused
from kist.wire.call import Call

SECRETS = {"access_key": "CANARYACCESSKEY00000", "secret_key": "canary/secret+key0000000000000000000000x"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1", "http://127.1:1", "http://0x7f.1:1", "http://2130706433:1", "http://0177.0.0.1:1",
        "http://①②⑦.⓪.⓪.①:1", "http://[::1]:1", "http://[::ffff:a9fe:a9fe]", "http://[64:ff9b::a9fe:a9fe]",
        "http://[2002:a9fe:a9fe::]", "http://[fec0::1]", "http://224.0.0.1", "http://169.254.169.254",
        "http://localhost.", "http://metadata.google.internal", "https://s3.example.com", "https://listed.example.com.",
        "https://listed.example.com:444", "http://listed.example.com", "https://listed.example.com/other",
        "https://user:password@listed.example.com", "https://listed.example.com@evil.example",
        "https://listed.example.com\\@evil.example", "https://evil.example#@listed.example.com",
        "https://listed.example.com?x", "https://listed.example.com%00", "https://listed.example.com\0", "https://",
        "https://listed.example.com:99999", "file:///etc/passwd", "gopher://listed.example.com", "listed.example.com",
        "//listed.example.com", "https://lísted.example.com", "https://listed.example.com\t", " https://x", "x",
    ],
)  # fmt: skip
def test_endpoints_that_nobody_has_listed(listing: Mirror, url: str) -> None:
    answer = listing.admin.call("POST", "/sync", {"storage_url": url, **SECRETS, "dest": "never-made"})
    refused(answer, 400, "storage_url")
    nothing_was_tried(listing)
    for secret in (*SECRETS.values(), "user:password"):
        assert secret.encode() not in answer.body


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A server whose operator has listed one endpoint."""
    settings = memory_settings(tmp_path_factory.mktemp("home"), KIST_SYNC_ENDPOINTS="https://listed.example.com")
    with mirroring(settings) as found:
        yield found


def nothing_was_tried(mirror: Mirror) -> None:
    assert mirror.jobs() == 0
    assert "never-made" not in mirror.buckets()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"storage_url": "https://listed.example.com"}, "needs access_key and secret_key"),
        ({"storage_url": "https://listed.example.com", "access_key": "x"}, "go together"),
        ({"storage_url": "https://listed.example.com", "secret_key": "x"}, "go together"),
        ({"access_key": "x"}, "go together"),
        ({"secret_key": "x"}, "go together"),
        ({"access_key": "x", "secret_key": "y"}, "for a storage_url"),
    ],
)
def test_keys_go_with_their_endpoint(listing: Mirror, sent: dict[str, str], words: str) -> None:
    """Kist's own keys go to Kist's own store and nowhere else."""
    refused(listing.admin.call("POST", "/sync", {**sent, "dest": "never-made"}), 400, words)
    nothing_was_tried(listing)


@pytest.mark.parametrize("url", ["https://listed.example.com", "https://LISTED.example.com:443/"])
def test_a_listed_endpoint_is_known_however_it_is_written(listing: Mirror, url: str) -> None:
    answer = listing.admin.call("POST", "/sync", {"storage_url": url, **SECRETS, "dest": "never-made"})
    refused(answer, 409, "Kist's own store alone")
    nothing_was_tried(listing)


def test_keys_in_an_address_are_refused_and_no_secret_is_written_down(
    mirror: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sent: dict[str, Any] = {"storage_url": "https://s3.example.com", **SECRETS}
    refused(mirror.ask("sync", **sent), 400, "body of a POST")
    for name, secret in SECRETS.items():
        refused(mirror.admin.call("POST", f"/sync?{name}={secret}"), 400, "body of a POST")
    refused(mirror.admin.call("POST", "/sync", sent), 400)
    refused(mirror.admin.call("POST", "/sync", sent | {"wait": "x"}), 400)
    home = mirror.site.settings.home
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    said = "\n".join(str(record.__dict__) for record in caplog.records if not record.name.startswith("urllib3"))
    for secret in SECRETS.values():
        assert secret not in said
        assert secret.encode() not in kept


def test_what_may_not_be_read_or_named_is_400() -> None:
    for kind in (EndpointRefused, SourceRefused):
        assert show_error(kind("no"), Call(method="GET", path="/sync")).status == 400
