"""Several servers and workers on one database and one store, as an operator starts them, to be killed and restarted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from tests.faults.rig.client import Client
from tests.faults.rig.process import PATIENCE, REPOSITORY
from tests.faults.rig.site import Site
from tests.servers.daemon import free_port
from tests.servers.pauses import PATIENT

PROCESSES = 2
SETTLE = 0.2
"""Seconds between taking a server out of rotation and stopping it: requests that were being sent have then arrived."""


class Program:
    """One `kist` command that goes on until it is stopped, with all processes that belong to it."""

    def __init__(self, site: Site, name: str, *arguments: str, says: str) -> None:
        self._environment = {each: value for each, value in os.environ.items() if not each.startswith("KIST_")}
        self._environment |= site.settings | {"KIST_HOME": str(site.home.with_name(name)), "PYTHONUNBUFFERED": "1"}
        self._environment |= PATIENT
        self._arguments = arguments
        self._says = says
        self.log = site.home.with_name(f"{name}.log")
        self.start()

    def start(self) -> None:
        """Come back when it says that it is at work."""
        with self.log.open("a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kist.cli", *self._arguments], env=self._environment, cwd=REPOSITORY,
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if self._says in line:
                return
        raise AssertionError(f"it did not start: {said}\n{self.log.read_text()[-2000:]}")

    def children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def kill_one(self, dice: random.Random) -> None:
        """SIGKILL to one of the processes that serve."""
        with suppress(psutil.NoSuchProcess):
            dice.choice(self.children()).kill()

    def kill(self) -> None:
        """SIGKILL to all of it. The first is stopped and goes first, or it would begin others."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._process.pid)
            first.suspend()
            while first.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                time.sleep(0.001)
        children = self.children()
        self._process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, PATIENCE)
        self._process.communicate(timeout=PATIENCE)

    def renew(self) -> None:
        """SIGHUP: its processes are exchanged one by one."""
        self._process.send_signal(signal.SIGHUP)

    def wait_renewed(self, before: set[int]) -> None:
        """Come back when none of the processes ``before`` is left, and all others are there."""
        until = time.monotonic() + PATIENCE
        while {child.pid for child in self.children()} & before or len(self.children()) != PROCESSES:
            assert time.monotonic() < until, self.log.read_text()[-2000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended well."""
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, self.log.read_text()[-2000:]


class Fleet:
    """Two servers of two processes each, and two workers. ``files`` is the folder that syncs may read, as `tree`."""

    def __init__(self, site: Site, files: Path, stack: ExitStack) -> None:
        ports = [free_port() for _ in range(2)]
        site.settings |= {"KIST_SYNC_ROOTS": f"tree={files}"}
        self.servers: list[Program] = []
        self.workers: list[Program] = []
        for number, port in enumerate(ports):
            arguments = ("serve", "--port", str(port), "--workers", str(PROCESSES))
            self.servers.append(Program(site, f"server-{number}", *arguments, says="Ctrl-C stops."))
            stack.callback(self.servers[-1].kill)
        for number in range(2):
            self.workers.append(Program(site, f"worker-{number}", "worker", says="Working on"))
            stack.callback(self.workers[-1].kill)
        self._quick, self._slow = (
            [site.client(f"http://127.0.0.1:{port}", timeout=30, pause=pause) for port in ports] for pause in (0, 0.1)
        )
        self._in_rotation: tuple[int, ...] = (0, 1)

    def choose(self, dice: random.Random) -> Client:
        """A server that takes requests right now, as a proxy in front would choose it."""
        return self._quick[dice.choice(self._in_rotation)]

    def choose_slow(self, dice: random.Random) -> Client:
        """The same for somebody whose uploads take seconds: some are under way whatever happens."""
        return self._slow[dice.choice(self._in_rotation)]

    @contextmanager
    def out_of_rotation(self, number: int) -> Iterator[None]:
        """No new requests go to this server while the block runs; those under way are left to it."""
        self._in_rotation = (1 - number,)
        time.sleep(SETTLE)
        yield
        self._in_rotation = (0, 1)

    def stop(self) -> None:
        """All of it, well."""
        for program in (*self.servers, *self.workers):
            program.stop()


@contextmanager
def fleet(site: Site, files: Path) -> Iterator[Fleet]:
    """A fleet for the length of the block; what is left of it is killed at its end."""
    with ExitStack() as stack:
        yield Fleet(site, files, stack)


def harms(fleet: Fleet, dice: random.Random) -> dict[str, Callable[[], None]]:
    """All that is done to a fleet, by name. Each comes back when the fleet is whole again, or about to be."""
    number = dice.randrange(2)
    server, worker = fleet.servers[number], fleet.workers[number]

    def restart(program: Program, end: Callable[[], None]) -> None:
        end()
        program.start()

    return {
        "a process of a server is killed": lambda: server.kill_one(dice),
        "the processes of a server are exchanged": server.renew,
        "a worker is killed": lambda: restart(worker, worker.kill),
        "a server is killed": lambda: restart(server, server.kill),
        "a worker is restarted": lambda: restart(worker, worker.stop),
        "a server is restarted": lambda: restart(server, server.stop),
    }
