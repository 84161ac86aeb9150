"""The machine: what it is, and which core belongs to whom while something is measured."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from kist.catalogues.sqlite.connection import file_system

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = _CORES[0]
CLIENT_CORE = _CORES[-1]


class Absent(Exception):
    """A program that a measurement needs is not there; the message says which."""


def needed(program: str) -> str:
    """The path of ``program``, also where only root has it in its path. ``Absent``."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise Absent(f"{program} is not installed; `make bench` installs it as root")
    return found


def on_core(core: int) -> AbstractContextManager[None]:
    """Run on one core. Programs that are started inside the block inherit it, and keep it."""
    return _on({core})


def on_all_cores() -> AbstractContextManager[None]:
    """Run on all cores again, where what is measured shares the machine with its server."""
    return _on(set(_CORES))


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its children have used, in user and in system mode."""
    whole = psutil.Process(pid)
    times = [process.cpu_times() for process in (whole, *whole.children(recursive=True))]
    return sum(float(time.user + time.system) for time in times)


def peak_rss(pid: int) -> int:
    """The most memory, in bytes, that a process has had resident at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def description(folder: Path) -> str:
    """One line that says on what was measured."""
    memory = psutil.virtual_memory().total / 2**30
    facts = (
        f"{len(_CORES)} cores of {_field('/proc/cpuinfo', 'model name', ':')}",
        f"{memory:.0f} GiB of memory",
        f"data on {file_system(folder)}",
        _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        f"Linux {platform.release().partition('-')[0]}",
        f"Python {platform.python_version()}",
    )
    return ", ".join(facts)


def _field(path: str, name: str, mark: str) -> str:
    for line in Path(path).read_text().splitlines():
        found, _, value = line.partition(mark)
        if found.strip() == name:
            return value.strip()
    return "unknown"
