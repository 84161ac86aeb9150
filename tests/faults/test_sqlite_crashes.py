"""kill -9 at every statement of a migration and in the middle of commits: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kist.catalogues.sql.migrations import read_migrations
from kist.catalogues.sqlite import migrate_database, open_catalogue
from kist.model.changes import Add
from kist.testing.catalogue_samples import a_file
from kist.testing.clock import FakeClock

# Migrates databases 1, 2, 3 … of a folder in children that are killed before statement 1, 2, 3 … of the writer, until
# one gets through; prints how many were killed.
MIGRATE_AND_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from kist.catalogues.sqlite import connection, migrate_database, writer
from kist.system import SystemClock

def mortal(number):
    left = number
    def die(sql):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def connect(path):
        opened = connection.connect(path)
        opened.set_trace_callback(die)
        return opened
    return connect

for number in range(1, 1000):
    child = os.fork()
    if child == 0:
        writer.connect = mortal(number)
        asyncio.run(migrate_database(Path(sys.argv[1]) / f"{number}.db", SystemClock()))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == 0:
        print(number - 1)
        break
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
"""

# Commits without end; prints the id of each file when its commit has been acknowledged.
COMMIT_FOR_EVER = """
import asyncio, os, sys
from pathlib import Path
from kist.catalogues.sqlite import open_catalogue
from kist.model.changes import Add, Count, Counter
from kist.system import SystemClock, SystemIds
from kist.testing.catalogue_samples import a_file

async def main():
    catalogue = await open_catalogue(Path(sys.argv[1]), SystemClock())
    ids = SystemIds()
    async def write():
        for _ in range(int(sys.argv[2])):
            file = a_file(id=ids.uuid())
            await catalogue.commit(Add(file), Count(owner="ann", counter=Counter.FILES, by=1))
            os.write(1, f"{file.id}\\n".encode())
    await asyncio.gather(*(write() for _ in range(int(sys.argv[3]))))

asyncio.run(main())
"""


def schema(path: Path) -> list[tuple[str, str]]:
    database = sqlite3.connect(path)
    found = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    database.close()
    return found


def applied(path: Path) -> int:
    """How many migrations are written down; -1 where they cannot be yet."""
    database = sqlite3.connect(path)
    try:
        ((count,),) = database.execute("SELECT COUNT(*) FROM migrations").fetchall()
    except sqlite3.OperationalError:
        return -1
    finally:
        database.close()
    return int(count)


def test_a_migration_killed_at_any_statement_starts_again(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", MIGRATE_AND_DIE, str(tmp_path)], check=True, capture_output=True, timeout=120
    )
    killed = int(run.stdout)
    assert killed > 30  # each table and index, and what stands around them
    whole = schema(tmp_path / f"{killed + 1}.db")
    stages = {len(read_migrations()): whole}
    for number in range(1, killed + 1):
        path = tmp_path / f"{number}.db"
        before, count = schema(path), applied(path)
        assert before == stages.setdefault(count, before), "each wholly or not at all"
        asyncio.run(migrate_database(path, FakeClock()))
        assert schema(path) == whole
    assert sorted(stages) == list(range(-1, len(read_migrations()) + 1)), "every one was cut off"


@pytest.mark.parametrize("seed", range(6))
def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "kist.db"
    arguments = [sys.executable, "-c", COMMIT_FOR_EVER, str(path), "1000000", "16"]
    acknowledged: list[str] = []
    for _ in range(2):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            acknowledged += [child.stdout.readline().decode().strip() for _ in range(17)]  # more than go in one group
            time.sleep(random.Random(seed).uniform(0.01, 0.4))
            child.kill()
            acknowledged += child.stdout.read().decode().split()
        assert child.returncode == -signal.SIGKILL
    asyncio.run(_check(path, acknowledged))


async def _check(path: Path, acknowledged: list[str]) -> None:
    catalogue = await open_catalogue(path, FakeClock())
    for id in acknowledged:
        assert (await catalogue.file(id)).id == id
    used = (await catalogue.usage("ann")).files
    await catalogue.commit(Add(a_file()))
    await catalogue.close()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("SELECT count(*) FROM files").fetchone() == (used + 1,)  # file and count, or neither
    database.close()
