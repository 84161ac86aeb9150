"""A commit is acknowledged only after the log is on the disk: shown by the order of system calls."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Commits one file after another and writes "ACK" when each has been acknowledged.
COMMIT = """
import asyncio, os, sys
from pathlib import Path
from kist.catalogues.sqlite import open_catalogue
from kist.model.changes import Add
from kist.system import SystemClock
from kist.testing.catalogue_samples import a_file

async def main():
    catalogue = await open_catalogue(Path(sys.argv[1]), SystemClock())
    os.write(1, b"READY")
    for _ in range(20):
        await catalogue.commit(Add(a_file()))
        os.write(1, b"ACK")
    await asyncio.gather(*(catalogue.commit(Add(a_file())) for _ in range(200)))
    os.write(1, b"DONE")
    await catalogue.close()

asyncio.run(main())
"""

# A call that strace shows in two lines, because another thread's call came between.
_UNFINISHED = re.compile(r"(?P<pid>\d+) +(?P<call>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)$")


def calls(log: Path) -> list[str]:
    """The system calls in the order in which they returned."""
    found, open_calls = [], {}
    for line in log.read_text().splitlines():
        if match := _UNFINISHED.match(line):
            open_calls[match["pid"]] = match["call"]
        elif match := _RESUMED.match(line):
            found.append(open_calls.pop(match["pid"]) + match["rest"])
        else:
            found.append(line.partition(" ")[2].strip())
    return found


@pytest.fixture
def trace(tmp_path: Path) -> list[str]:
    """What the commits did, from the first to the last."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "trace"
    watch = ["strace", "-f", "-y", "-s", "16", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", str(log)]
    run = subprocess.run(
        [*watch, sys.executable, "-c", COMMIT, str(tmp_path / "kist.db")], check=False, capture_output=True, timeout=60
    )
    if b"ptrace" in run.stderr.lower() and run.returncode != 0:
        pytest.skip("tracing is not allowed here")
    assert run.returncode == 0, run.stderr
    found = calls(log)
    first = next(at for at, call in enumerate(found) if '"READY"' in call)
    last = next(at for at, call in enumerate(found) if '"DONE"' in call)
    return found[first : last + 1]


def test_the_log_is_on_the_disk_before_the_acknowledgement(trace: list[str]) -> None:
    acknowledged, written, synced = 0, False, False
    for call in trace:
        if call.startswith("pwrite64") and "-wal>" in call:
            written, synced = True, False
        elif call.startswith(("fdatasync", "fsync")) and "-wal>" in call:
            assert call.endswith("= 0")
            synced = True
        elif '"ACK"' in call or '"DONE"' in call:
            assert written, "acknowledged without a write to the log"
            assert synced, "acknowledged before the log was on the disk"
            acknowledged += 1
            written, synced = False, False
    assert acknowledged == 21


def test_waiting_commits_share_one_sync(trace: list[str]) -> None:
    last_alone = max(at for at, call in enumerate(trace) if '"ACK"' in call)
    syncs = [call for call in trace[last_alone:] if call.startswith(("fdatasync", "fsync")) and "-wal>" in call]
    assert 1 <= len(syncs) <= 40
