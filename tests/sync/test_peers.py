"""A tree that Kist brings to a bucket and back, beside what other programs make of it on the same real S3 server."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.acceptance.served import s3_settings
from tests.servers.server import S3Server
from tests.sync.place import Scene, scene

PROGRAMS = Path(__file__).parents[2] / ".servers/peers/bin"
PART = 5 << 20

TREE = {
    "empty": 0,
    "one": 1,
    "folder/in a folder/file.txt": 100,
    "a-b": 2,
    "a.b": 3,
    "a/b": 4,
    f"sizes/{PART - 1}": PART - 1,
    f"sizes/{PART}": PART,
    f"sizes/{PART + 1}": PART + 1,
    "sizes/of more parts": 3 * PART + 7,
    unicodedata.normalize("NFC", "é/Å.txt"): 5,
    unicodedata.normalize("NFD", "é/Å.txt"): 6,
    "100%": 7,
    "a%20b+c d": 8,
    "q?x=1&y=2#z": 9,
    "'single' \"double\" <&>;=@:,$!()[]{}^`|~": 10,
    "日本語/😀": 11,
    ".hidden/.file": 12,
    "...": 13,
    "end with a space ": 14,
}


@pytest.fixture
async def here(rgw: S3Server, tmp_path: Path) -> AsyncIterator[Scene]:
    (tmp_path / "folder").mkdir()
    made = await scene(s3_settings(tmp_path / "home", rgw), tmp_path / "folder")
    for number, (name, size) in enumerate(TREE.items()):
        made.write(name, bytes([97 + number]) * size)
    yield made
    await made.kist.close()


@pytest.fixture(params=["s5cmd", "rclone", "aws", "s3cmd"])
def peer(request: pytest.FixtureRequest, rgw: S3Server) -> Peer:
    name = str(request.param)
    if not (PROGRAMS / name).exists():
        why = f"{name} is not here: make test installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    return Peer(name, rgw)


class Peer:
    """One of the other programs, told how to reach the server."""

    def __init__(self, name: str, server: S3Server) -> None:
        self._name = name
        self._server = server

    def sync(self, source: str, dest: str) -> None:
        """Sync from a folder or from ``BUCKET/PREFIX/``, as is ``dest``."""
        command = [str(PROGRAMS / self._name), *getattr(self, f"_{self._name}")(source, dest)]
        done = subprocess.run(command, env=self._settings, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    def _s5cmd(self, source: str, dest: str) -> list[str]:
        ends = [end if end.startswith("/") else f"s3://{end}" for end in (source, dest)]
        if source.startswith("/"):
            return ["--endpoint-url", self._server.endpoint, "sync", *ends]
        return ["--endpoint-url", self._server.endpoint, "sync", ends[0] + "*", ends[1]]

    def _aws(self, source: str, dest: str) -> list[str]:
        ends = [end if end.startswith("/") else f"s3://{end}" for end in (source, dest)]
        return ["--endpoint-url", self._server.endpoint, "s3", "sync", "--only-show-errors", *ends]

    def _s3cmd(self, source: str, dest: str) -> list[str]:
        address = self._server.endpoint.removeprefix("http://")
        ends = [end if end.startswith("/") else f"s3://{end}" for end in (source, dest)]
        given = [f"--config={os.devnull}", "--no-ssl", f"--host={address}", f"--host-bucket={address}"]
        return [*given, f"--region={self._server.region}", "--quiet", "sync", *ends]

    def _rclone(self, source: str, dest: str) -> list[str]:
        # without this it takes two spellings of a name for one file
        return [
            "sync",
            "--no-unicode-normalization",
            *[end if end.startswith("/") else f":s3:{end}" for end in (source, dest)],
        ]

    @property
    def _settings(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": self._server.key,
            "AWS_SECRET_ACCESS_KEY": self._server.secret,
            "AWS_DEFAULT_REGION": self._server.region,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_S3_PROVIDER": "Ceph",
            "RCLONE_S3_ENDPOINT": self._server.endpoint,
            "RCLONE_S3_ACCESS_KEY_ID": self._server.key,
            "RCLONE_S3_SECRET_ACCESS_KEY": self._server.secret,
        }


async def test_what_another_program_brings_to_a_bucket_is_the_same_to_the_byte(here: Scene, peer: Peer) -> None:
    await here.sync()
    peer.sync(f"{here.folder}/", f"{here.bucket}/theirs/")
    theirs = {key: await here.get(f"theirs/{key}") for key in await here.keys("theirs/")}
    assert await here.objects() == here.files() == theirs


async def test_what_kist_brings_to_a_bucket_another_program_brings_back(
    here: Scene, peer: Peer, tmp_path: Path
) -> None:
    await here.sync()
    back = tmp_path / "back"
    back.mkdir()
    peer.sync(f"{here.bucket}/copy/", f"{back}/")
    assert _files(back) == here.files()


async def test_what_another_program_brings_to_a_bucket_kist_brings_back(
    here: Scene, peer: Peer, tmp_path: Path
) -> None:
    peer.sync(f"{here.folder}/", f"{here.bucket}/copy/")
    back = tmp_path / "back"
    back.mkdir()
    await here.sync(here.dest, str(back))
    assert _files(back) == here.files()


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
