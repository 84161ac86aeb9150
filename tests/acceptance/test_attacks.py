"""What attackers send to a whole Kist, and what they get: a refusal in its words, never a 500."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import Answer, Site, memory_settings, serving

from kist.asgi.options import HostOptions


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


def test_a_cursor_that_is_no_text(site: Site) -> None:
    cursor = base64.urlsafe_b64encode(b'["-created_at","\xa6","x"]').decode().rstrip("=")
    refused(site.ann.call("GET", f"/v1/files?cursor={cursor}"))


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


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" + b"[]," * 4_000_000 + b"0]",
        b'{"name":"a","content":"","type":[' + b"{}," * 4_000_000 + b"0]}",
        b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}",
        b"{" + b'"name":"a",' * 1_200_000 + b'"content":""}',
        b'{"name":"\\ud800","content":"","type":[' + b"{}," * 4_000_000 + b"0]}",
        b"[" * 12_000_000,
    ],
    ids=["lists", "objects", "fields", "one field again and again", "half a character", "depth"],
)
def test_json_bombs_cost_less_than_they_weigh(site: Site, bomb: bytes) -> None:
    def cost() -> float:
        """Seconds of the processor: the server runs in a thread of this process."""
        began = time.process_time()
        refused(site.ann.call("POST", "/v1/files/base64", bomb, content_type="application/json"))
        return time.process_time() - began

    # A machine that stands still may charge the process for it.
    assert any(cost() < 0.3 for _ in range(3))


def test_metadata_is_small_in_bytes_too(site: Site) -> None:
    file_id = site.ann.put("x", b"1")["id"]
    refused(
        site.ann.call("PATCH", f"/v1/files/{file_id}", {"metadata": {"a": "\U0001f600" * 1024, "b": "x" * 1024 * 4}})
    )
    refused(
        site.ann.call("PATCH", f"/v1/files/{file_id}", {"metadata": {f"{n}": "\U0001f600" * 512 for n in range(5)}})
    )


def test_pages_of_other_sites_may_not_use_an_open_door(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, KIST_ANONYMOUS="filedrop=guest")
    with serving(settings, HostOptions(base_url="https://kist.example")) as open_site:
        anyone, own = open_site.nobody, open_site.url.partition("//")[2]
        assert anyone.call("POST", "/files/upload?file_name=x", b"1").status == 201
        assert anyone.call("POST", "/files/upload?file_name=x", b"1", origin=open_site.url).status == 201
        for host in ("kist.example", "localhost:1", "a.localhost", "[::1]:8000", "192.168.0.7"):
            assert anyone.call("GET", "/files", host=host).status == 200
        for host in ("evil.example", f"evil.example:{own.partition(':')[2]}", "127.0.0.1.evil.example", "a b", "[", ""):
            refused(anyone.call("GET", "/files", host=host), 403)
        for page in (
            {"sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            refused(anyone.call("POST", "/files/upload?file_name=x", b"1", **page), 403)
            refused(anyone.call("DELETE", "/files/x", **page), 403)
            assert anyone.call("GET", "/files", **page).status == 200, "a link from elsewhere is no attack"
            assert open_site.ann.call("POST", "/files/upload?file_name=x", b"1", **page).status == 201
        assert len(open_site.admin.call("GET", "/v1/files?owner=guest").json["items"]) == 2
