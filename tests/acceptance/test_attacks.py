"""What attackers send to a whole Kist, and what they get: a refusal in its words, never a 500."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.acceptance.served import Answer, Site


def refused(answer: Answer, status: int = 422) -> None:
    assert answer.status == status, (answer.status, answer.body)


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("size", 1 << 63),
        ("size", 1 << 70),
        ("size", -1),
        ("-created_at", "9999-12-31T23:59:59-12:00"),
        ("-created_at", "0001-01-01T00:00:00+12:00"),
        ("-created_at", "2030-01-01T00:00:00"),
    ],
)
def test_cursors_that_were_not_made_here(site: Site, sort: str, value: Any) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([sort, value, "x"]).encode()).decode().rstrip("=")
    refused(site.ann.call("GET", f"/v1/files?sort={sort}&cursor={cursor}"))


@pytest.mark.parametrize(
    "moment", ["2030-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2000-01-01T00:00:00Z"]
)
def test_keys_that_expire_at_no_time_to_come(site: Site, moment: str) -> None:
    refused(site.admin.call("POST", "/v1/keys", {"actor": "ann", "expires_at": moment}))


def test_a_key_expires_in_its_own_time_zone(site: Site) -> None:
    made = site.admin.call("POST", "/v1/keys", {"actor": "ann", "expires_at": "2100-01-01T01:00:00+01:00"})
    assert (made.status, made.json["expires_at"]) == (201, "2100-01-01T00:00:00Z")


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "%00"])
def test_file_names_in_character_sets_that_refuse(site: Site, charset: str) -> None:
    disposition = f"attachment; filename*={charset}''%ff"
    refused(site.ann.call("POST", "/files/upload", b"x", content_disposition=disposition), 400)


def test_a_boundary_that_only_looks_like_one(site: Site) -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n1\r\n--b--\r\n'
    refused(site.ann.call("POST", "/v1/files", body, content_type="multipart/form-data; xboundary=b"))
