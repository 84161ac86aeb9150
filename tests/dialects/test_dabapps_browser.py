"""The whole flow of DabApps' client in a real browser, behind a real nginx that is set up as the guide says.

The page does what the client library does, call by call (contracts 2.4); the library itself is in no public registry
any more. Its user is signed in to the application by a cookie and has no key of Kist.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.acceptance.direct_sites import Backend
from tests.acceptance.served import Answer, Client, Site, serving
from tests.docs.browser import PATIENCE, browser, opened
from tests.docs.pages import DOCS, Page
from tests.servers.daemon import free_port

from kist.asgi.options import HostOptions

DATA = bytes(range(256)) * 4096
USER = 42
(SHOWN,) = Page(DOCS / "how-to" / "dabapps.md").blocks("nginx")
_AROUND = """
%(user)s
daemon off;
pid %(state)s/nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %(state)s/body;
  proxy_temp_path %(state)s/proxy;
  fastcgi_temp_path %(state)s/fastcgi;
  uwsgi_temp_path %(state)s/uwsgi;
  scgi_temp_path %(state)s/scgi;
  %(shown)s
}
"""
_PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const ok = async answer => {
  if (!answer.ok) throw Error(`${answer.status} ${await answer.text()}`)
  return answer
}
const upload = async (file, acl) => {
  const headers = {'X-CSRFToken': document.cookie.match(/csrftoken=(\\w+)/)[1]}
  const asked = {method: 'POST', headers: {...headers, 'Content-Type': 'application/json'},
    body: JSON.stringify({filename: file.name, acl})}
  const made = await (await ok(await fetch('/api/s3-file-uploads/', asked))).json()
  const body = new FormData()
  for (const name of Object.keys(made.upload_form.fields)) body.append(name, made.upload_form.fields[name])
  body.append('file', file)
  await ok(await fetch(made.upload_form.url, {method: 'POST', body}))
  await ok(await fetch(made.complete_url, {method: 'POST', headers}))
  return made
}
document.cookie = 'csrftoken=abc123'
const bytes = await (await fetch('/bytes')).blob()
const said = await upload(new File([bytes], 'photo “1”.png', {type: 'image/png'}), 'private').catch(String)
fetch('/said', {method: 'POST', body: JSON.stringify(said)})
</script>"""


class Application:
    """The application whose page uploads: it gives out the page, and says who is signed in by their cookie."""

    def __init__(self) -> None:
        self.said: queue.Queue[Any] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        said = self.said

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/whoami":
                    cookie = self.headers.get("cookie") or ""
                    user = {"X-User-Id": str(USER)} if "session=ann" in cookie else {}
                    self._answer(200 if user or "session=broken" in cookie else 401, b"", user)
                elif self.path == "/bytes":
                    self._answer(200, DATA, {})
                else:
                    headers = {"Content-Type": "text/html; charset=utf-8", "Set-Cookie": "session=ann; SameSite=Lax"}
                    self._answer(200, _PAGE.encode(), headers)

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._answer(200, b"", {})
                said.put(told)

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


def nginx() -> str:
    """The program. Where there is none the test is skipped, with CI=true it fails."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        why = "no nginx: what the guide shows cannot be tried"
        if os.environ.get("CI") == "true":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    return program


@contextmanager
def in_front(port: int, kist: Site, application: Application, state: Path) -> Iterator[None]:
    """nginx at ``port``, by the lines that the guide shows."""
    state.mkdir()
    changed = {
        "listen 8080": f"listen 127.0.0.1:{port}",
        "127.0.0.1:8000": kist.url.removeprefix("http://"),
        "127.0.0.1:9000": f"127.0.0.1:{application.port}",
        "kist_…": str(kist.admin.key),
    }
    shown = SHOWN
    for said, meant in changed.items():
        assert said in shown
        shown = shown.replace(said, meant)
    user = "user root;" if os.geteuid() == 0 else ""
    (state / "nginx.conf").write_text(_AROUND % {"user": user, "state": state, "shown": shown})
    with subprocess.Popen([nginx(), "-c", str(state / "nginx.conf"), "-e", "stderr"]) as process:
        try:
            wait_for(port, process)
            yield
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("nginx does not start", pytrace=False)


class Deployed:
    """A page's origin, the Kist behind it and the application beside it."""

    def __init__(self, origin: str, kist: Site, application: Application) -> None:
        self.origin = origin
        self.kist = kist
        self.application = application

    def ask(self, cookie: str, **headers: str) -> Answer:
        """What a page gets that asks for an upload with that cookie."""
        return Client(self.origin).call("POST", "/api/s3-file-uploads/", {}, cookie=cookie, **headers)


@pytest.fixture(scope="module", params=["disk", "rgw"])
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    nginx()
    home, port = tmp_path_factory.mktemp("home"), free_port()
    origin = f"http://127.0.0.1:{port}"
    backend = Backend(request.param, home, request, {"KIST_ORIGINS": origin, "KIST_PUBLIC_URL": origin})
    backend.restrict()
    options = HostOptions(base_url=origin, origins=(origin,))
    with (
        closing(Application()) as application,
        serving(backend.settings, options, backend.prepare) as kist,
        in_front(port, kist, application, home / "nginx"),
    ):
        yield Deployed(origin, kist, application)


def test_a_page_uploads(deployed: Deployed, tmp_path: Path) -> None:
    browser()
    with opened(f"{deployed.origin}/", tmp_path):
        made = deployed.application.said.get(timeout=PATIENCE)
    assert isinstance(made, dict), made
    assert (made["user"], made["filename"]) == (USER, "photo “1”.png")
    assert made["complete_url"].startswith(f"{deployed.origin}/api/s3-file-uploads/")
    admin = deployed.kist.admin
    file = admin.call("GET", f"/v1/files/{made['id']}").json
    assert (file["owner"], file["size"], file["state"]) == (str(USER), len(DATA), "ready")
    assert admin.content(made["id"]) == DATA
    led = Client(deployed.origin).call("GET", made["file_path"], cookie="session=ann")
    assert led.status == 302
    assert Client("").call("GET", led.headers["location"]).body == DATA


@pytest.mark.parametrize(
    ("cookie", "status"), [("session=ann", 201), ("", 401), ("session=x", 401), ("session=broken", 400)]
)
def test_only_who_is_signed_in_is_let_through(deployed: Deployed, cookie: str, status: int) -> None:
    assert deployed.ask(cookie).status == status


def test_nobody_says_whom_they_act_for(deployed: Deployed) -> None:
    answer = deployed.ask("session=ann", kist_actor="43", authorization="Bearer x", x_user_id="43")
    assert answer.json["user"] == USER
