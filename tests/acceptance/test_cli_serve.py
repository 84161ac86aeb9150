"""``kist serve``, ``worker`` and ``migrate`` as real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kist.cli.serve import greeting, refuse_anonymous_to_all
from kist.errors import Misconfigured
from kist.settings import Settings, read_settings

KIST = [sys.executable, "-m", "kist.cli"]
SECONDS = 30


@dataclass
class Served:
    process: subprocess.Popen[str]
    url: str
    greeting: str


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "KIST_HOME": str(folder / "my home"), **more}


@contextmanager
def served(folder: Path, *args: str, **more: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [*KIST, "serve", "--port", "0", *args],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        text = "".join(lines)
        found = re.search(r"serves (http://\S+)", text)
        assert found, text + process.communicate(timeout=SECONDS)[1]
        yield Served(process, found[1], text)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def key_in(text: str) -> str | None:
    found = re.search(r"kist_\w+_[\w-]+", text)
    return found and found[0]


def test_the_first_start_makes_an_admin_key_and_shows_it_once(tmp_path: Path) -> None:
    file = tmp_path / "my home" / "admin-key"
    with served(tmp_path) as first:
        key = key_in(first.greeting)
        assert key is not None
        assert file.read_text() == f"{key}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        request = urllib.request.Request(f"{first.url}/v1/me", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            assert json.load(answer) == {"id": "admin", "role": "admin"}
    with served(tmp_path) as second:
        assert key_in(second.greeting) is None
        assert str(file) in second.greeting


@pytest.mark.usefixtures("tools")
def test_the_three_curl_lines_work_when_they_are_pasted(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        lines = [line for line in server.greeting.splitlines() if "curl -sS" in line]
        assert len(lines) == 3
        for shell in ("sh", "bash"):
            pasted = "\necho\n".join(lines)
            said = subprocess.run([shell, "-c", pasted], capture_output=True, text=True, check=True, timeout=SECONDS)
            assert json.loads(said.stderr)["name"] == "hello.txt"
            listed, content = said.stdout.strip().split("\n")
            assert json.loads(listed)["items"][0]["name"] == "hello.txt"
            assert content == "Hello"


@pytest.mark.parametrize("asked", [False, True])
def test_requests_are_logged_for_those_who_ask_for_it(tmp_path: Path, *, asked: bool) -> None:
    with served(tmp_path, *(["--log"] if asked else [])) as server:
        urllib.request.urlopen(f"{server.url}/openapi.json", timeout=SECONDS).close()
        server.process.terminate()
        said = server.process.communicate(timeout=SECONDS)[1]
    assert ('"path":"/openapi.json"' in said) == asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_gracefully(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path) as server:
        server.process.send_signal(number)
        said = server.process.communicate(timeout=SECONDS)
        assert (server.process.returncode, said) == (0, ("", "stopped\n"))


def test_the_home_can_be_used_while_it_serves(tmp_path: Path) -> None:
    with served(tmp_path):
        for _ in range(2):
            done = subprocess.run(
                [*KIST, "put", "-", "--name", "x"], env=environment(tmp_path), input=b"x", check=False, timeout=SECONDS
            )
            assert done.returncode == 0


def refused(folder: Path, *args: str, **more: str) -> str:
    done = subprocess.run(
        [*KIST, *args], cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert port in refused(tmp_path, "serve", "--port", port)


def test_settings_that_cannot_work(tmp_path: Path) -> None:
    assert "KIST_HOME" in refused(tmp_path, "serve", "--port", "0", KIST_HOEM="x")
    assert "gopher" in refused(tmp_path, "serve", "--port", "0", KIST_DIALECTS="gopher")
    (tmp_path / "file").touch()
    assert "KIST_HOME" in refused(tmp_path, "serve", "--port", "0", KIST_HOME=str(tmp_path / "file" / "x"))


def settings(**more: str) -> Settings:
    return read_settings({"KIST_HOME": "/h", **more}, Path("/nonexistent"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "files.example.com"])
def test_anonymous_callers_from_elsewhere_must_be_allowed(host: str) -> None:
    with pytest.raises(Misconfigured, match="KIST_ANONYMOUS_PUBLIC=1"):
        refuse_anonymous_to_all(settings(KIST_ANONYMOUS="filedrop=guest"), host)
    refuse_anonymous_to_all(settings(KIST_ANONYMOUS="filedrop=guest", KIST_ANONYMOUS_PUBLIC="1"), host)
    refuse_anonymous_to_all(settings(), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_anonymous_callers_from_here_are_no_surprise(host: str) -> None:
    refuse_anonymous_to_all(settings(KIST_ANONYMOUS="filedrop=guest"), host)


def test_the_greeting_shows_no_lines_that_would_not_work(tmp_path: Path) -> None:
    without = read_settings({"KIST_HOME": str(tmp_path), "KIST_DIALECTS": "filedrop"}, tmp_path)
    assert "curl" not in "\n".join(greeting(without, "http://127.0.0.1:1", None))


def test_the_worker_names_its_chores_and_stops_when_it_is_told(tmp_path: Path) -> None:
    home = environment(tmp_path)
    subprocess.run([*KIST, "migrate"], env=home, check=True, capture_output=True, timeout=SECONDS)
    with subprocess.Popen(
        [*KIST, "worker"], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert "expire, erase" in worker.stdout.readline()
        worker.send_signal(signal.SIGTERM)
        said = worker.communicate(timeout=SECONDS)[1]
    assert worker.returncode == 0
    assert said.endswith("stopped\n")


def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    run = [*KIST, "migrate"]
    first, second, third = (
        subprocess.run(
            [*run, *more], env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=SECONDS
        ).stdout
        for more in ([], [], ["--json"])
    )
    assert "foundation" in first
    assert "nothing to do" in second
    assert json.loads(third) == {"applied": []}


def test_doctor_from_the_command_line(tmp_path: Path) -> None:
    def doctor(*args: str, code: int, **more: str) -> str:
        done = subprocess.run(
            [*KIST, "doctor", *args], env=environment(tmp_path, **more), capture_output=True, text=True, check=False,
            timeout=SECONDS,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout

    assert "All is well." in doctor(code=0)
    assert "1 thing to mend." in doctor(code=70, KIST_PORT="no")
    found = json.loads(doctor("--json", code=70, KIST_PORT="no"))
    assert found["ok"] is False
    assert {"check", "state", "says", "mend"} == set(found["findings"][0])
    assert "+ settings" in doctor(code=0, PYTHONIOENCODING="latin-1")
