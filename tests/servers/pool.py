"""The servers of one test run: each started when first asked for, all stopped at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.server import Missing, Server, read, variable, written

NAMES = ("rgw", "ministack", "swift", "postgres")

_ROOT = Path(__file__).parents[2]


class Pool:
    """Servers by name. One that an environment variable points to is taken as it is and left running."""

    def __init__(self) -> None:
        self._found: dict[str, Server | Missing] = {}
        self._keepers: list[subprocess.Popen[str]] = []

    def get(self, name: str) -> Server | Missing:
        if name not in self._found:
            told = os.environ.get(variable(name))
            self._found[name] = read(name, told or self._start(name))
        return self._found[name]

    def share(self) -> None:
        """Start all servers and tell child processes where they are."""
        for name in NAMES:
            os.environ[variable(name)] = written(self.get(name))

    def missing(self) -> list[Missing]:
        """Those that were asked for in vain."""
        return [server for server in self._found.values() if isinstance(server, Missing)]

    def stop(self) -> None:
        for keeper in self._keepers:
            keeper.communicate()
        self._keepers.clear()

    def _start(self, name: str) -> str:
        # In a session of its own, so that Ctrl-C reaches the tests first and the servers stop in order.
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.keeper", name],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._keepers.append(keeper)
        assert keeper.stdout is not None
        line = keeper.stdout.readline()
        return line.strip().partition("=")[2] or written(Missing(name, "its keeper ended without a word"))
