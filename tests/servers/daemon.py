"""Programs that run beside the tests: started, waited for, and stopped by their pid whatever happens."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from tests.servers.server import NotStarted

_PATIENCE = 60.0
_GRACE = 5.0
_CHANCE = random.SystemRandom()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at this moment.

    By chance, and below those that the system gives to whoever connects: the next one to ask is given another.
    """
    while True:
        port = _CHANCE.randrange(10_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def suspended(*processes: psutil.Process) -> Iterator[None]:
    """They hang for the length of the block."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # one that has ended since it was found
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` in the folder of its ``log`` for the length of the block."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=log.parent, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when ``ready`` says so. ``NotStarted`` when ``process`` ends or takes too long."""
    give_up = time.monotonic() + _PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > give_up:
            raise NotStarted(f"{log.stem} did not come up: {_last_line(log)}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def call(*command: str) -> None:
    """Run ``command`` to its end. ``NotStarted`` with its last words when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as late:
        raise NotStarted(f"{command[0]} took longer than {_PATIENCE:.0f} s") from late
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise NotStarted(f"{command[0]}: {words[-1]}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing logged"
