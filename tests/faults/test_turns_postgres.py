"""Real processes on one PostgreSQL, one of them with a wrong clock: a chore is never at work twice, and goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import asyncio, os, sys, time
from datetime import timedelta
from kist.app import assemble
from kist.chores import turn
from kist.chores.chore import Chore
from kist.chores.schedule import run_schedule
from kist.service import turns
from kist.settings import read_settings
from kist.system import SystemClock
from pathlib import Path

turns.TERM = turn.TERM = timedelta(seconds=2)
turn.BEAT = 0.3
home, log, off = sys.argv[1:]

class Wrong(SystemClock):
    def now(self):
        return super().now() + timedelta(seconds=float(off))

def note(what):
    with open(log, "a") as file:
        file.write(f"{time.monotonic()} {os.getpid()} {what}\\n")

async def duty(kist):
    note("begins")
    await asyncio.sleep(0.4)
    note("ends")
    return 1

async def main():
    assembled = await assemble(read_settings(folder=Path(home)), clock=Wrong())
    await run_schedule(assembled.kist, SystemClock(), (Chore("duty", timedelta(seconds=0.1), duty),))

asyncio.run(main())
"""
OFF = ("0", "600", "-600")


def lines(log: Path) -> list[tuple[float, int, str]]:
    found = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(float(moment), int(pid), what) for moment, pid, what in found]


def wait_until(log: Path, pid: int, since: float) -> None:
    """Return when that process is in the middle of its duty."""
    give_up = time.monotonic() + 30
    while not (found := lines(log)) or found[-1][1:] != (pid, "begins") or found[-1][0] < since:
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
    killed: dict[int, float] = {}
    try:
        while len(lines(log)) < 12:  # all have begun
            time.sleep(0.05)
        for victim in list(processes)[:2]:
            wait_until(log, victim, time.monotonic())
            processes[victim].send_signal(signal.SIGKILL)
            killed[victim] = time.monotonic()
        (left,) = set(processes) - set(killed)
        wait_until(log, left, time.monotonic())
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    at_work: int | None = None
    for moment, pid, what in lines(log):
        if at_work in killed and moment > killed[at_work]:
            assert 1 < moment - killed[at_work] < 2 + 5 + 3, "another takes over when the term is over, and no earlier"
            at_work = None
        if what == "begins":
            assert at_work is None, "two are at work"
            at_work = pid
        else:
            assert at_work == pid
            at_work = None
    assert {pid for _, pid, _ in lines(log)} == set(processes)
