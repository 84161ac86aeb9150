"""A put is durable when it returns: seen in the order of the system calls, since killing a process cannot show it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import sys
from pathlib import Path
from kist.drive import drive, right_here
from kist.model.content import PutRules
from kist.model.place import Place
from kist.stores.disk import DiskStore
from kist.system import SystemClock, SystemIds

async def body(size):
    for _ in range(size // 1000):
        yield b"x" * 1000

store = DiskStore(Path(sys.argv[1]), right_here, SystemClock(), SystemIds())
if sys.argv[2] == "bucket":
    drive(store.make_bucket("some-bucket"))
elif sys.argv[2] == "put":
    drive(store.put(Place("some-bucket", sys.argv[3]), body(int(sys.argv[4])), PutRules()))
elif sys.argv[2] == "copy":
    drive(store.copy(Place("some-bucket", sys.argv[3]), Place("some-bucket", sys.argv[4]), PutRules()))
elif sys.argv[2] == "seal":
    drive(store.seal(Place("some-bucket", sys.argv[3]), Place("some-bucket", sys.argv[4]), PutRules()))
elif sys.argv[2] == "parts":
    place = Place("some-bucket", sys.argv[3])
    parts_id = drive(store.start_parts(place, PutRules()))
    part = drive(store.put_part(place, parts_id, 1, b"some bytes"))
    drive(store.finish_parts(place, parts_id, [part]))
elif sys.argv[2] == "erase":
    drive(store.erase(Place("some-bucket", sys.argv[3])))
print("acknowledged", flush=True)
"""
CALLS = "mkdirat,write,writev,copy_file_range,sendfile,fsync,fdatasync,rename,renameat,renameat2,unlinkat,linkat"
NAMES = {
    "linkat": "link",
    "mkdirat": "mkdir",
    "renameat": "rename",
    "renameat2": "rename",
    "unlinkat": "unlink",
    "fdatasync": "fsync",
}


def calls(root: Path, *arguments: str) -> list[str]:
    """What the child asks of the disk, as ``call what``, up to its acknowledgement."""
    strace = shutil.which("strace")
    if strace is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is not installed")
        pytest.skip("strace is not installed")
    trace = root.parent / "trace"
    command = [strace, "-f", "-y", "-s", "80", "-e", f"trace={CALLS}", "-o", str(trace), sys.executable, "-c", CHILD]
    subprocess.run([*command, str(root), *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL)
    seen: list[str] = []
    for line in trace.read_text().splitlines():
        if "acknowledged" in line:
            return seen
        if step := _step(line, root):
            seen.append(step)
    raise AssertionError("the child did not get to its end")


def _step(line: str, root: Path) -> str | None:
    call = re.match(r"\d+ +(\w+)\((.*)\) += \d", line)
    if call is None or str(root) not in line:
        return None
    name = NAMES.get(call[1], call[1])
    paths = [path.removeprefix(str(root)) for path in re.findall(r"\d+<([^>]*)>", call[2])]
    path = _meant(paths[0])
    named = [re.sub(r"[0-9a-f]{32}(-[0-9a-f]{32})?", "*", text) for text in re.findall(r'"([^"]*)"', call[2])]
    if name in ("rename", "link"):
        return f"{name} to {_meant(paths[1])}/{named[1]}"
    if name in ("mkdir", "unlink"):
        return f"{name} {path.rstrip('/')}/{named[0]}"
    return f"{name} {path}"


def _meant(path: str) -> str:
    """Names that differ in each run, in words."""
    if path.startswith("/.tmp/parts/"):
        return "upload" + path[len("/.tmp/parts/") + 65 :].partition("-")[0]
    return "draft" if "/.tmp/" in path and path != "/.tmp/parts" else path or "/"


def test_small_put(tmp_path: Path) -> None:
    root = tmp_path / "root"
    calls(root, "bucket")
    assert calls(root, "put", ".kist/objects/one", "4000") == [
        "mkdir /.tmp",
        "writev draft",
        "fsync draft",
        "mkdir /some-bucket/.kist",
        "fsync /some-bucket",
        "mkdir /some-bucket/.kist/objects",
        "fsync /some-bucket/.kist",
        "rename to /some-bucket/.kist/objects/one",
        "fsync /some-bucket/.kist/objects",
    ]
    assert calls(root, "put", ".kist/objects/two", "0") == [
        "fsync draft",
        "rename to /some-bucket/.kist/objects/two",
        "fsync /some-bucket/.kist/objects",
    ]


def test_large_put(tmp_path: Path) -> None:
    root = tmp_path / "root"
    calls(root, "bucket")
    seen = calls(root, "put", "one", "3000000")
    assert seen[-3:] == ["fsync draft", "rename to /some-bucket/one", "fsync /some-bucket"]
    assert set(seen[:-3]) == {"mkdir /.tmp", "writev draft"}


def test_copy_and_erase(tmp_path: Path) -> None:
    root = tmp_path / "root"
    calls(root, "bucket")
    calls(root, "put", "one", "4000")
    assert calls(root, "copy", "one", "two") == [
        "copy_file_range /some-bucket/one",
        "fsync draft",
        "rename to /some-bucket/two",
        "fsync /some-bucket",
    ]
    assert calls(root, "erase", "one") == ["unlink /some-bucket/one", "fsync /some-bucket"]


def test_seal(tmp_path: Path) -> None:
    root = tmp_path / "root"
    calls(root, "bucket")
    calls(root, "put", "one", "4000")
    assert calls(root, "seal", "one", "two") == [
        "link to /.tmp/*",
        "rename to /some-bucket/two",
        "fsync /some-bucket",
    ]


def test_parts(tmp_path: Path) -> None:
    root = tmp_path / "root"
    calls(root, "bucket")
    assert calls(root, "parts", "one") == [
        "mkdir /.tmp",
        "mkdir /.tmp/parts",
        "fsync /.tmp",
        "fsync /",
        "mkdir /.tmp/parts/*",
        "writev upload/place",
        "fsync upload/place",
        "fsync upload",
        "fsync /.tmp/parts",
        "writev upload/new",
        "writev upload/new",
        "fsync upload/new",
        "rename to upload/00001",
        "fsync upload",
        "copy_file_range upload/00001",
        "fsync draft",
        "rename to /some-bucket/one",
        "fsync /some-bucket",
        "unlink upload/place",
        "fsync upload",
        "unlink upload/00001",
        "unlink /.tmp/parts/*",
    ]


def test_bucket(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert calls(root, "bucket")[-2:] == ["mkdir /some-bucket", "fsync /"]
