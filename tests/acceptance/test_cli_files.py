"""Files in and out by the real command, on a home and by a running server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kist.app import build, dialects, first_admin_key
from kist.asgi.app import build_asgi
from kist.asgi.options import HostOptions
from kist.asgi.serving import in_thread
from kist.settings import read_settings

KIST = [sys.executable, "-m", "kist.cli"]
Run = subprocess.CompletedProcess[str]


class Shell:
    """Runs ``kist`` in a folder of its own, on the local home or on a server."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        passed = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self.environment = {**passed, "LC_ALL": "C.UTF-8", **environment}

    def __call__(self, *args: str, code: int = 0, input: str | None = None, **environment: str) -> Run:
        done = subprocess.run(
            [*KIST, *args],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            encoding=environment.get("PYTHONIOENCODING", "utf-8").replace("ascii", "utf-8"),
            input=input,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL if input is None else None,
        )  # fmt: skip
        assert done.returncode == code, f"{args} gave {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *args: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*args, "--json", code=code).stdout)
        return found

    def names(self) -> list[str]:
        return [item["name"] for item in self.json("ls", "--all")["items"]]

    def write(self, name: str, data: bytes | str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


@pytest.fixture(params=["home", "server"])
def kist(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    home = str(tmp_path / "home")
    work = tmp_path / "work"
    work.mkdir()
    if request.param == "home":
        yield Shell(work, {"KIST_HOME": home})
        return
    settings = read_settings({"KIST_HOME": home}, tmp_path)
    keys: list[str | None] = []

    async def make(url: str) -> object:
        built = await build(settings)
        keys.append(await first_admin_key(built, settings.home))
        return build_asgi(built, dialects(settings), options=HostOptions(base_url=url))

    with in_thread(make) as url:  # type: ignore[arg-type]
        yield Shell(work, {"KIST_HOME": str(tmp_path / "none"), "KIST_SERVER": url, "KIST_KEY": keys[0] or ""})


@pytest.fixture
def photos(kist: Shell) -> Shell:
    kist.write("photos/a/b.jpg", os.urandom(1_500_000))
    kist.write("photos/c.txt", "text")
    kist.write("photos/empty", "")
    return kist


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_goes_in_and_comes_out_as_it_was(photos: Shell) -> None:
    done = photos("put", "photos")
    assert done.stdout.count("put ") == 3
    assert photos.names() == ["photos/a/b.jpg", "photos/c.txt", "photos/empty"]
    photos("get", "photos/", "-o", "out")
    assert tree(photos.folder / "out" / "photos") == tree(photos.folder / "photos")


def test_what_is_there_is_not_sent_or_fetched_again(photos: Shell) -> None:
    photos("put", "photos")
    photos.write("photos/new", "new")
    again = photos.json("put", "photos")
    assert sorted(file["state"] for file in again["files"]) == ["done", "there", "there", "there"]
    assert len(photos.names()) == 4
    photos("get", "photos/", "-o", "out")
    (photos.folder / "out/photos/c.txt").unlink()
    again = photos.json("get", "photos/", "-o", "out")
    assert sorted(file["state"] for file in again["files"]) == ["done", "there", "there", "there"]


def test_many_files_are_recognised_too(kist: Shell) -> None:
    for number in range(30):
        kist.write(f"many/{number:02}.txt", str(number))
    kist("put", "many")
    assert {file["state"] for file in kist.json("put", "many")["files"]} == {"there"}
    assert len(kist.names()) == 30


def test_one_bad_file_does_not_stop_the_rest(photos: Shell) -> None:
    (photos.folder / "photos/link").symlink_to("c.txt")
    done = photos("put", "photos", "absent", code=4)
    assert "absent: No such file" in done.stderr
    assert "link: it is a symbolic link" in done.stderr
    assert "3 files put" in done.stderr
    assert len(photos.names()) == 3
    photos("get", "photos/", "nothing", "-o", "out", code=4)
    assert len(tree(photos.folder / "out")) == 3


def test_standard_input_and_output(kist: Shell) -> None:
    kist("put", "-", "--name", "notes/in.txt", input="from a pipe")
    assert kist("get", "notes/in.txt", "-o", "-").stdout == "from a pipe"
    kist("put", "-", code=2, input="x")


def test_names_and_folders_and_types(kist: Shell) -> None:
    kist.write("a.bin", "x")
    kist("put", "a.bin", "--name", "b.png", "--to", "deep/er")
    kist("put", "a.bin", "--type", "application/x-mine")
    items = kist.json("ls")["items"]
    assert [(item["name"], item["type"]) for item in items] == [
        ("a.bin", "application/x-mine"),
        ("deep/er/b.png", "image/png"),
    ]


def test_replace(kist: Shell) -> None:
    kist.write("a.txt", "one")
    (first,) = kist.json("put", "a.txt")["files"]
    kist.write("a.txt", "two!")
    (second,) = kist.json("put", "a.txt", "--replace")["files"]
    assert first["id"] == second["id"]
    assert kist("get", "a.txt", "-o", "-").stdout == "two!"
    kist.write("a.txt", "three")
    kist("put", "a.txt")
    assert kist.names() == ["a.txt", "a.txt"]
    kist.write("a.txt", "four")
    assert "2 files have this name" in kist("put", "a.txt", "--replace", code=2).stderr


def test_get_one_file(kist: Shell) -> None:
    kist.write("d/a.txt", "hello")
    kist("put", "d")
    kist("get", "d/a.txt")
    assert (kist.folder / "a.txt").read_text() == "hello"
    kist("get", "d/a.txt", "-o", "other.txt")
    assert (kist.folder / "other.txt").read_text() == "hello"
    (kist.folder / "a.txt").write_text("mine")
    assert "--overwrite" in kist("get", "d/a.txt", code=3).stderr
    assert (kist.folder / "a.txt").read_text() == "mine"
    kist("get", "d/a.txt", "--overwrite")
    assert (kist.folder / "a.txt").read_text() == "hello"


def test_a_download_that_broke_off_goes_on(kist: Shell) -> None:
    data = os.urandom(3_000_000)
    kist.write("big.bin", data)
    (put,) = kist.json("put", "big.bin")["files"]
    part = kist.folder / f".copy.bin.{put['sha256'][:16]}.part"
    part.write_bytes(data[:2_000_000])
    kist("get", "big.bin", "-o", "copy.bin")
    assert (kist.folder / "copy.bin").read_bytes() == data
    assert not part.exists()


def test_a_name_that_several_have(kist: Shell) -> None:
    ids = []
    for text in ("one", "two"):
        kist.write("a.txt", text)
        ids.append(kist.json("put", "a.txt")["files"][0]["id"])
    for command in (["get", "a.txt"], ["mv", "a.txt", "b.txt"], ["rm", "a.txt", "--yes"]):
        said = kist(*command, code=2).stderr
        assert all(file_id in said for file_id in ids)
    assert kist("get", ids[0], "-o", "-").stdout == "one"
    kist.write("out/x", "")
    result = kist.json("get", ids[0], ids[1], "-o", "out", code=2)
    assert result["ok"] is False


def test_ls(kist: Shell) -> None:
    kist("key", "create", "me")
    assert "no files" in kist("ls").stderr
    for name, size in (("b.txt", 3), ("a/x.txt", 2000), ("a/Y.txt", 10)):
        kist.write(f"all/{name}", "z" * size)
    kist("put", "all")
    assert [line.split()[-1] for line in kist("ls").stdout.splitlines()] == ["all/a/Y.txt", "all/a/x.txt", "all/b.txt"]
    assert kist("ls", "--sort", "-size").stdout.splitlines()[0].endswith("all/a/x.txt")
    assert len(kist("ls", "all/a/").stdout.splitlines()) == 2
    assert len(kist("ls", "y.TXT").stdout.splitlines()) == 1
    long = kist("ls", "--long", "b.txt").stdout.split()
    (item,) = kist.json("ls", "b.txt")["items"]
    assert {item["id"], item["owner"], item["sha256"][:12], "text/plain"} <= set(long)


def test_ls_shows_the_first_hundred_and_says_so(kist: Shell) -> None:
    for number in range(103):
        kist.write(f"n/{number}", str(number))
    kist("put", "n")
    shown = kist("ls")
    assert len(shown.stdout.splitlines()) == 100
    assert "--all" in shown.stderr
    assert len(kist("ls", "--all").stdout.splitlines()) == 103
    assert len(kist("ls", "n/").stdout.splitlines()) == 100


def test_rm(photos: Shell) -> None:
    photos("put", "photos")
    assert "--yes" in photos("rm", "photos/", code=3).stderr
    assert len(photos.names()) == 3
    photos("rm", "photos/c.txt", "nothing", "--yes", code=4)
    assert photos.names() == ["photos/a/b.jpg", "photos/empty"]
    photos("rm", "photos/", "-y")
    assert photos.names() == []
    photos("rm", "photos/", "-y", code=2)


def test_mv(kist: Shell) -> None:
    kist.write("a.txt", "x")
    kist("put", "a.txt")
    kist("mv", "a.txt", "b.txt")
    kist("mv", "b.txt", "folder/")
    assert kist.names() == ["folder/b.txt"]
    kist("mv", "folder/b.txt", "../b.txt", code=2)
    kist("mv", "nothing", "x", code=2)


def test_users_see_their_own(kist: Shell) -> None:
    kist.write("a.txt", "x")
    kist("--as", "ann", "put", "a.txt")
    kist("put", "a.txt", "--as", "bob")
    assert len(kist.json("ls", "--as", "ann")["items"]) == 1
    (item,) = kist.json("ls", "--as", "bob")["items"]
    assert item["owner"] == "bob"
    assert len(kist.names()) == 2
    kist("get", item["id"], "--as", "ann", code=2)
    kist("ls", "--as", "no one", code=2)


def test_keys(kist: Shell) -> None:
    done = kist("key", "create", "ann", "--label", "laptop", "--expires-in", "30d")
    key = done.stdout.splitlines()[-1]
    assert key.startswith("kist_")
    assert key not in done.stderr
    listed = kist("key", "ls").stdout
    assert "ann" in listed
    assert "laptop" in listed
    assert key not in listed
    made = kist.json("key", "create", "root", "--admin")
    assert made["role"] == "admin"
    kist("key", "revoke", key.split("_")[1])
    kist("key", "revoke", key.split("_")[1], code=2)
    kist("key", "create", "ann", "--expires-in", "soon", code=2)
    kist("key", "create", "no one", code=2)


def test_ctrl_c_leaves_nothing_half_done(kist: Shell) -> None:
    kist("key", "create", "me")
    command = [*KIST, "put", "-", "--name", "x"]
    with subprocess.Popen(
        command, cwd=kist.folder, env=kist.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * 2_000_000)
        process.stdin.flush()  # all of it is taken from the pipe, so the command is reading by now
        process.send_signal(2)
        assert process.stderr is not None
        said = process.stderr.read()  # it ends although the pipe stays open
        process.wait(timeout=20)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert kist.names() == []


def test_output_that_nobody_reads_to_its_end(kist: Shell) -> None:
    kist.write("a.txt", "x")
    kist("put", "a.txt")
    line = " ".join([*KIST, "ls"]) + " | true"
    done = subprocess.run(line, shell=True, cwd=kist.folder, env=kist.environment, capture_output=True, check=False)
    assert done.stderr == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_of_any_script_on_any_terminal(kist: Shell, encoding: str) -> None:
    name = "写真 é 👩.txt"
    kist.write(name, "x")
    kist("put", name)
    shown = kist("ls", PYTHONIOENCODING=encoding).stdout
    # Streams that claim to be ASCII mostly are not: they get UTF-8, by click's choice.
    assert ("\\u5199\\u771f é" if encoding == "latin-1" else name) in shown
    assert kist.names() == [name]


def on_terminal(kist: Shell, columns: int, *args: str, **environment: str) -> str:
    """What a terminal so wide shows."""
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    wide = {"TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    done = subprocess.run(
        [sys.executable, "-c", spawn, *KIST, *args],
        cwd=kist.folder,
        env={**kist.environment, **wide},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_a_bar_that_fits_and_then_the_files(kist: Shell, columns: int) -> None:
    kist.write("a.bin", os.urandom(8_000_000))
    kist.write("b.txt", "x")
    shown = on_terminal(kist, columns, "put", "a.bin", "b.txt", "absent")
    frames = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n").splitlines()
    assert any("2 files" in frame and "MB" in frame for frame in frames), shown
    assert max(len(frame) for frame in frames) <= columns
    assert "put      8.0 MB  a.bin" in "\n".join(frames) or "put  8.0 MB  a.bin" in "\n".join(frames)
    assert "\x1b[31mfailed" in shown


def test_no_colours_where_none_are_wanted(kist: Shell) -> None:
    kist.write("a.txt", "x")
    kist("put", "a.txt")
    shown = on_terminal(kist, 80, "get", "a.txt", "nothing", NO_COLOR="1")
    assert "failed" in shown
    assert "\x1b[3" not in shown
