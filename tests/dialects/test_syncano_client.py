"""The client library of Syncano, unmodified, does all that it did, in every form in which it names a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.dialects.syncano_sites import Socket, socket_on
from tests.servers.tls_front import Front, tls_front

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".servers" / "npm" / "node_modules"
SCRIPT = Path(__file__).with_name("syncano_client.js")


@pytest.fixture(scope="module")
def programs() -> None:
    missing = [name for name in ("node", "openssl") if shutil.which(name) is None]
    if not (MODULES / "@syncano" / "client").exists():
        missing.append("@syncano/client (make test installs it)")
    if missing:
        why = f"not here: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)


@pytest.fixture(scope="module", params=["disk", "rgw"])
def socket(
    programs: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Socket]:
    with socket_on(request.param, tmp_path_factory.mktemp("home"), request) as found:
        yield found


@pytest.fixture(scope="module")
def front(socket: Socket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    names = ("api.syncano.io", "*.syncano.space")
    port = urlsplit(socket.site.url).port
    assert port is not None
    with tls_front(tmp_path_factory.mktemp("front"), names, port) as found:
        yield found


def run(socket: Socket, front: Front, form: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The application, with nothing of this process's own settings, such as proxies."""
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_PATH": str(MODULES),
        "NODE_EXTRA_CA_CERTS": str(front.ca),
        "FORM": form,
        "FRONT": str(front.port),
        "INSTANCE": socket.instance,
        "URL_OF_KIST": socket.site.url,
        "ANN": str(socket.site.ann.key),
        "BOB": str(socket.site.bob.key),
        "ADMIN": str(socket.site.admin.key),
    } | environment
    return subprocess.run(
        ["node", str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("form", ["full url", "full url by tls", "default", "own host"])
def test_the_client_completes_its_whole_flow(socket: Socket, front: Front, form: str) -> None:
    done = run(socket, front, form)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["page"] == {
        "put": 200,
        "read": "by a link",
        "uploaded": ["string", "by base64"],
        "patch": "by base64",
        "delete": "by base64",
        "slash": [403, "You are not allowed to do that"],
        "forbidden": [403, {"message": "Forbidden"}],
        "loggedOut": 401,
        "asDocumented": "by base64",
    }
    assert seen["server"] == {
        "links": ["by a link", "by base64", []],
        "byGet": ["ann/holiday.jpg", "ann/note.txt"],
        "ofBob": [],
        "put": 200,
        "uploaded": "hello",
        "logo": "<svg/>",
        "bucket": True,
    }


def test_the_client_does_judge_certificates(socket: Socket, front: Front) -> None:
    done = run(socket, front, "default", NODE_EXTRA_CA_CERTS="")
    assert done.returncode == 1
    assert "certificate" in done.stderr
