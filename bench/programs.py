"""The servers under test and their peers: each a process of its own on the server's core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import CLIENT_CORE, SERVER_CORE, Absent, cpu_seconds, on_core

_GRACE = 40.0
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Program:
    """A running server. ``key``: what to send as Bearer, empty where nothing is asked for."""

    pid: int
    url: str
    key: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def cpu(self) -> float:
        return cpu_seconds(self.pid)


@contextmanager
def kist(home: Path, settings: Mapping[str, str] | None = None, *, core: int = SERVER_CORE) -> Iterator[Program]:
    """Kist on ``home``, with SQLite and the disk store unless ``settings`` say otherwise."""
    with _module("bench.kist_server", {"KIST_HOME": str(home), **(settings or {})}, core=core) as program:
        yield program


@contextmanager
def peer(name: str, folder: Path) -> Iterator[Program]:
    """The hand-written application ``name`` of ``bench.peers``."""
    with _module("bench.peer_server", {}, name, str(folder)) as program:
        yield program


@contextmanager
def django_peer(folder: Path) -> Iterator[Program]:
    """The usual application of ``bench.django_peer``, in the environment that has its libraries. ``Absent``."""
    python = _ROOT / ".servers/bench/bin/python"
    if not python.exists():
        raise Absent("the environment with Django is not there; `make bench` makes it")
    with _module("bench.django_peer", {}, str(folder), python=str(python)) as program:
        yield program


@contextmanager
def django_app(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Program]:
    """A Django project with Kist's app, and with the same two views by hand: see ``bench.django_app``."""
    with _module("bench.django_app", {"KIST_HOME": str(folder), **(settings or {})}) as program:
        yield program


@contextmanager
def s3_stub() -> Iterator[Program]:
    """A server that takes objects as S3 does and forgets their bytes, on the client's core."""
    with _module("bench.s3_stub", {}, core=CLIENT_CORE) as program:
        yield program


@contextmanager
def list_stub(count: int, milliseconds: int = 0) -> Iterator[Program]:
    """A server that lists as many objects, on the server's core, and is so far away."""
    with _module("bench.list_stub", {}, str(count), str(milliseconds)) as program:
        yield program


@contextmanager
def _module(
    module: str, settings: Mapping[str, str], *args: str, core: int = SERVER_CORE, python: str = sys.executable
) -> Iterator[Program]:
    """Run a module that prints its URL and key as JSON once it takes connections."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KIST_", "AWS_"))}
    with on_core(core):
        process = subprocess.Popen(
            [python, "-m", module, *args],
            cwd=_ROOT,
            env={**kept, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{module} did not start")
            yield Program(process.pid, **json.loads(line))
        finally:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
