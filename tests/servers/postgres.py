"""PostgreSQL: a cluster of its own on loopback, with fsync on and passwords that are looked at."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.daemon import call, free_port, listens, wait_until
from tests.servers.server import NotStarted, PostgresServer

_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "fsync": "on",
    "full_page_writes": "on",
    "logging_collector": "off",
    "deadlock_timeout": "200ms",
}


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server of its own for the length of the block. ``NotStarted`` where that cannot be."""
    with tempfile.TemporaryDirectory(prefix="kist-postgres-", ignore_cleanup_errors=True) as name:
        cluster = Cluster(Path(name))
        cluster.start()
        try:
            yield cluster.server
        finally:
            cluster.stop()


class Cluster:
    """A data folder and the server on it, which may be stopped and started again at its port."""

    def __init__(self, folder: Path) -> None:
        self._programs = _programs()
        self._log = folder / "postgres.log"
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        password = secrets.token_hex(16)
        kept = folder / "password"
        kept.write_text(password)
        if os.getuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            for path in (folder, kept):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        # A locale that sorts unlike bytes: what is sorted by bytes all the same was asked to be.
        order = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
        initdb = (str(self._programs / "initdb"), "-D", str(self._data), "-U", "kist", *order)
        call(*_as_nobody(), *initdb, "--auth=scram-sha-256", f"--pwfile={kept}")
        self.port = free_port()
        self.server = PostgresServer("postgres", f"postgresql://kist:{password}@127.0.0.1:{self.port}/postgres")

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [*_as_nobody(), str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, *options], cwd=self._log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            wait_until(lambda: listens(self.port) and self._is_ready(), self._process, self._log)
        except BaseException:
            self.stop()
            raise

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends connections first, SIGQUIT leaves everything to recovery (``immediate``)."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _is_ready(self) -> bool:
        """Whether it says so in its lock file; it listens a little earlier, while it still recovers."""
        try:
            return "ready" in (self._data / "postmaster.pid").read_text()
        except OSError:
            return False


def _programs() -> Path:
    """The folder with ``postgres`` and ``initdb``: Debian keeps them apart from the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not debian:
        raise NotStarted("initdb is not installed; `make test` installs it as root")
    return debian[-1].parent


def _as_nobody() -> tuple[str, ...]:
    if os.getuid() != 0:
        return ()
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
