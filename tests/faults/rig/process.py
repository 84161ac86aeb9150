"""The server of ``tests.faults.crash.server`` as a child process: started, killed, waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from kist.testing.failpoints import VARIABLE

REPOSITORY = Path(__file__).parents[3]
PATIENCE = 60.0


class Server:
    """One running child."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self._process = process
        self.url = url
        self.log = log

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def wait_killed(self) -> bool:
        """Wait for the end; whether it was by SIGKILL."""
        return self._process.wait(PATIENCE) == -signal.SIGKILL

    def wait_said(self, words: str) -> None:
        """Return when its log has these words."""
        give_up = time.monotonic() + PATIENCE
        while words not in self.log.read_text():
            assert time.monotonic() < give_up, self.log.read_text()[-2000:]
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        return self._process.pid


@contextmanager
def serving(
    settings: Mapping[str, str], *options: str, failpoints: str = "", log: Path | None = None
) -> Iterator[Server]:
    """A server with these settings and failpoints for the length of the block; killed at its end if still there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KIST_")}
    environment |= {**settings, VARIABLE: failpoints, "PYTHONUNBUFFERED": "1"}
    log = log or Path(settings["KIST_HOME"]).with_suffix(".log")
    command = [sys.executable, "-m", "tests.faults.crash.server", *options]
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                process.wait(PATIENCE)
                raise AssertionError(f"the server did not start:\n{log.read_text()[-2000:]}")
            yield Server(process, url, log)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
