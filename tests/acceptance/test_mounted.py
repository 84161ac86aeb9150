"""A Kist that is mounted in an application which uvicorn serves as it comes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.acceptance.served import ROOT, Client, disk_settings
from tests.acceptance.test_processes import until

from kist import Actor
from kist.app import build

SECONDS = 20
ANN = Actor("ann")
ALONE = """
from fastapi import FastAPI
from kist.asgi import KistApp

files = KistApp()
app = FastAPI()
app.mount("/files", files)
"""
HANDED_OVER = ALONE.replace("FastAPI()", "FastAPI(lifespan=files.lifespan)")
LARGE = os.urandom(1 << 20) * 20


@contextmanager
def uvicorn(folder: Path, port: int, application: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """As its users start it, with the home in ``folder``."""
    (folder / "mounting.py").write_text(application)
    environment = {"PATH": os.environ["PATH"], "KIST_HOME": str(folder / "home"), "KIST_PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "mounting:app", "--port", str(port), "--no-access-log", *options],
        cwd=folder, env=environment,
    ) as process:  # fmt: skip
        try:
            until(lambda: listens(port))
            yield process
        finally:
            process.kill()


def listens(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def key_of(folder: Path) -> str:
    kist = await build(disk_settings(folder / "home"))
    _, key = await kist.keys.create(ROOT, "ann")
    await kist.close()
    return key


@pytest.mark.parametrize(
    ("application", "number", "uses"),
    [
        (HANDED_OVER, signal.SIGTERM, 1),
        (HANDED_OVER, signal.SIGINT, 1),
        (ALONE, signal.SIGINT, 1),
        (ALONE, signal.SIGTERM, 0),
    ],
    ids=["lifespan, SIGTERM", "lifespan, SIGINT", "alone, SIGINT", "alone, SIGTERM"],
)
async def test_files_come_and_go_and_stay_after_the_end(
    tmp_path: Path, free_port: int, application: str, number: signal.Signals, uses: int
) -> None:
    """Uses of a link are counted in memory, and written down by an end that is told of.

    uvicorn leaves at once at SIGTERM when the application has been told: without its lifespan, Kist is not.
    """
    key = await key_of(tmp_path)
    with uvicorn(tmp_path, free_port, application) as process:
        url = f"http://127.0.0.1:{free_port}/files"
        ann = Client(url, key)
        made = ann.put("large", LARGE)
        assert ann.content(made["id"]) == LARGE
        with closing(socket.create_connection(("127.0.0.1", free_port))) as cut:
            head = f"POST /files/v1/files?name=cut HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer {key}\r\n"
            cut.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode() + b"x" * 999)
        until(lambda: ann.call("GET", "/v1/files").json["items"] == [made])
        link = ann.call("POST", "/v1/links", {"files": [made["id"]]}).json["links"][made["id"]]
        assert link["url"].startswith(f"{url}/l/")
        assert Client("").call("GET", link["url"]).status == 302
        process.send_signal(number)
        process.wait(SECONDS)
    kist = await build(disk_settings(tmp_path / "home"))
    (kept,) = (await kist.links.page(ANN, 10)).items
    assert kept.file_id == made["id"]
    assert kept.uses >= uses
    assert (await kist.files.get(ANN, made["id"])).sha256 == made["sha256"]
    await kist.close()


async def test_several_processes_of_it_are_one_kist(tmp_path: Path, free_port: int) -> None:
    key = await key_of(tmp_path)
    with uvicorn(tmp_path, free_port, HANDED_OVER, "--workers", "2") as process:
        ann = Client(f"http://127.0.0.1:{free_port}/files", key)
        made = [ann.put(str(number), b"data")["id"] for number in range(20)]
        assert {file["id"] for file in ann.call("GET", "/v1/files").json["items"]} == set(made)
        process.terminate()
        process.wait(SECONDS)
