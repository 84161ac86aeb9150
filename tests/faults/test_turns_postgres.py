"""Real processes on one PostgreSQL, one of them with a wrong clock: a chore is never at work twice, and goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.servers.databases import ask, execute, run

from kist.service.turns import TERM

PROGRAM = """
import asyncio, os, sys
from datetime import timedelta
from kist.app import assemble
from kist.catalogues.postgresql import connections, pulse
from kist.chores.chore import Chore
from kist.chores.schedule import run_schedule
from kist.settings import read_settings
from kist.system import SystemClock
from pathlib import Path

pulse.LATE = connections.CONNECT_PATIENCE = 30  # the database may stand still for a while
home, log, off = sys.argv[1:]

class Wrong(SystemClock):
    def now(self):
        return super().now() + timedelta(seconds=float(off))

def note(what):
    with open(log, "a") as file:
        file.write(f"{os.getpid()} {what}\\n")

async def duty(kist):
    note("begins")
    if os.path.exists(f"{log}.{os.getpid()}"):
        note("stays")
        await asyncio.sleep(600)
    await asyncio.sleep(0.4)
    note("ends")
    return 1

async def main():
    assembled = await assemble(read_settings(folder=Path(home)), clock=Wrong())
    await run_schedule(assembled.kist, SystemClock(), (Chore("duty", timedelta(seconds=0.1), duty),))

asyncio.run(main())
"""
OFF = ("0", "600", "-600")
NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
LEFT = f"SELECT until - {NOW} FROM terms WHERE id = 'turn duty'"
END = f"UPDATE terms SET until = {NOW} WHERE id = 'turn duty'"


def lines(log: Path) -> list[tuple[int, str]]:
    found = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(pid), what) for pid, what in found]


def wait_until(log: Path, pid: int, what: str, since: int) -> None:
    """Return when that process has noted this, after so many lines."""
    give_up = time.monotonic() + 60
    while (pid, what) not in lines(log)[since:]:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_chores_of_several_processes(database: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {
        "PATH": "/usr/bin",
        "KIST_DATABASE": database,
        "KIST_SECRET": "b7e1f0c4d2a893567e1f0c4d2a893567",
        "KIST_STORE": f"disk:{tmp_path / 'objects'}",
    }
    processes = {}
    for number, off in enumerate(OFF):
        home = tmp_path / f"home{number}"
        command = [sys.executable, "-c", PROGRAM, str(home), str(log), off]
        made = subprocess.Popen(command, env=environment | {"KIST_HOME": str(home)})
        processes[made.pid] = made
    *victims, left = processes
    try:
        for pid in processes:
            wait_until(log, pid, "ends", 0)
        for victim in victims:
            log.with_name(f"log.{victim}").touch()
            wait_until(log, victim, "stays", 0)
            processes[victim].send_signal(signal.SIGKILL)
            processes[victim].wait()
            time.sleep(1.2)
            assert lines(log)[-1] == (victim, "stays"), "another takes over when the term is over, and no earlier"
            ((micros,),) = run(ask(database, LEFT))
            assert 0 < micros <= TERM.total_seconds() * 1_000_000
            before = len(lines(log))
            run(execute(database, END))  # instead of waiting for half a minute
            wait_until(log, left, "begins", before)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    at_work: int | None = None
    for pid, what in lines(log):
        if what == "begins":
            assert at_work is None, "two are at work"
            at_work = pid
        else:
            assert at_work == pid
            at_work = None
