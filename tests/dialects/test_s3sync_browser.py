"""The S3 Synchronization API in a real browser: its user is let in by Basic; other pages change nothing by that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.served import memory_settings
from tests.dialects.s3sync_site import Mirror, eventually, mirroring
from tests.docs.browser import PageServer, browser, opened

EVIL = """
<form id="sync" method="post" action="$KIST/sync?dest=by-form" target="_blank"><input name="wait" value="0"></form>
<form id="upload" method="post" action="$KIST/v1/files" enctype="multipart/form-data" target="_blank">
<input name="file" value="x"></form>
<form id="cancel" action="$KIST/cancel" target="_blank"><input name="id" value="1"></form>
<script>
window.open('$USER')
setTimeout(() => {
  for (const id of ['sync', 'upload', 'cancel']) document.getElementById(id).submit()
  new Image().src = '$KIST/sync?dest=by-image'
  fetch('$KIST/sync?dest=by-fetch', {mode: 'no-cors', credentials: 'include'})
  fetch('$KIST/sync?dest=by-post', {mode: 'no-cors', credentials: 'include', method: 'POST'})
  window.open('$KIST/sync?dest=by-window')
}, 1500)
</script>
"""
"""A page that has its visitor open Kist with a key, as if they had typed it, and then tries what it can."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    browser()
    with mirroring(memory_settings(tmp_path / "home")) as found:
        found.write("file", b"1")
        yield found


def test_a_user_types_an_address_and_pages_of_other_sites_try_in_vain(
    mirror: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kist.access")
    with closing(PageServer()) as evil:
        user = mirror.site.url.replace("://", f"://me:{mirror.admin.key}@") + "/runnings"
        evil.page = EVIL.replace("$KIST", mirror.site.url).replace("$USER", user)
        elsewhere = evil.origin.replace("127.0.0.1", "localhost")
        with opened(f"{elsewhere}/", tmp_path / "profile", "--disable-popup-blocking"):
            eventually(lambda: said(caplog).count("/sync") >= 5 and said(caplog).count("/v1/files"))
            eventually(lambda: "/cancel" in said(caplog))
    lines = said(caplog).splitlines()
    assert "GET /runnings 401" in lines, "the browser is asked for a key"
    assert "GET /runnings 200" in lines, "and gives it"
    assert "POST /sync 403" in lines, "the browser has added the key to the form, and it was no use"
    assert "POST /v1/files 403" in lines
    tried = [line for line in lines if any(path in line for path in ("/sync", "/cancel", "/v1/files"))]
    assert {line.rpartition(" ")[2] for line in tried} <= {"401", "403"}, tried
    assert mirror.jobs() == 0
    assert mirror.admin.call("GET", "/v1/files").json["items"] == []


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name == "kist.access")
