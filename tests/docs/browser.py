"""A page of the documentation in a real browser: served from an origin of its own, used by a script, watched.

Chromium runs without a window and with a profile of its own. What the page says in the end is sent back to the server
that served it, so that nothing need be asked of the browser itself.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

PROGRAM = "chromium"
PATIENCE = 60.0
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
)  # fmt: skip
_USER = """
<script type="module">
const asked = %s
const by = id => document.getElementById(id)
const bytes = await (await fetch('/bytes')).blob()
const chosen = new DataTransfer()
chosen.items.add(new File([bytes], asked.name, {type: asked.type}))
by('file').files = chosen.files
by('key').value = asked.key
by('way').value = asked.way
const seen = []
new MutationObserver(() => {
  seen.push(by('result').value)
  if (/bytes$|Error|Failed/.test(by('result').value)) fetch('/said', {method: 'POST', body: JSON.stringify(seen)})
}).observe(by('result'), {childList: true, characterData: true, subtree: true})
by('go').click()
</script>
"""
"""Somebody who uses the page: gives it a key and a file, and presses its button."""


def browser() -> str:
    """The program of the browser. Where there is none the test is skipped, with CI=true it fails."""
    program = shutil.which(PROGRAM)
    if program is None:
        why = f"no {PROGRAM}: the page cannot be tried in a browser"
        if os.environ.get("CI") == "true":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    return program


class PageServer:
    """Serves one page and the bytes of one file to its user, and takes what the page said."""

    def __init__(self) -> None:
        self.page = ""
        self.data = b""
        self.said: queue.Queue[list[str]] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def use(self, page: str, data: bytes, profile: Path, **asked: str) -> list[str]:
        """Open ``page``, have it upload ``data`` as ``asked`` (name, type, key, way), and return what it said."""
        self.page, self.data = page + _USER % json.dumps(asked), data
        with opened(f"{self.origin}/", profile):
            return self.said.get(timeout=PATIENCE)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/":
                    self._answer(site.page.encode(), "text/html; charset=utf-8")
                else:
                    self._answer(site.data if self.path == "/bytes" else b"", "application/octet-stream")

            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers["content-length"]))
                self._answer(b"", "text/plain")
                site.said.put(json.loads(said))

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _answer(self, body: bytes, media_type: str) -> None:
                self.send_response(200)
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


@contextmanager
def opened(url: str, profile: Path, *flags: str) -> Iterator[None]:
    """The browser at ``url``, for as long as the block runs."""
    command = [browser(), *_QUIET, *flags, f"--user-data-dir={profile}", url]
    environment: Mapping[str, str] = os.environ | {"HOME": str(profile)}
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
    ) as process:
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the browser is several processes, all in its own group
