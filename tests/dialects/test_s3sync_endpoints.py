"""Fault 2 and 3 of the S3 Synchronization API (contracts 5.4): other S3 servers, and the keys for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import disk_settings, memory_settings
from tests.dialects.s3sync_site import Mirror, mirroring, refused

from kist.dialects.s3sync import show_error
from kist.errors import EndpointRefused, SourceRefused
from kist.stores.s3.foreign import ForeignStores
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


class Nowhere:
    """Finds no address for any name, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append((host, port))
        return ()


@pytest.mark.parametrize("url", ["https://listed.example.com", "https://LISTED.example.com:443/"])
def test_a_listed_endpoint_is_known_however_it_is_written(tmp_path: Path, url: str) -> None:
    names = Nowhere()
    with mirroring(disk_settings(tmp_path, KIST_SYNC_ENDPOINTS="https://listed.example.com")) as mirror:
        ports = mirror.site.kist._ports
        object.__setattr__(ports, "endpoints", ForeignStores(ports.clock, ports.ids, names))
        answer = mirror.admin.call("POST", "/sync", {"storage_url": url, **SECRETS, "dest": "never-made"})
        assert (answer.status, answer.json["status"]) == (200, "error (s3 storage connection)")
        assert "never-made" not in mirror.buckets(), "nor was it made in Kist's own store"
        assert mirror.admin.call("GET", "/v1/syncs/1").json["dest"] == "s3+https://listed.example.com/never-made"
    assert names.asked == [("listed.example.com", 443)]


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
