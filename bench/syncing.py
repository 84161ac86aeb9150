"""Syncs of a folder and a bucket of Ceph's gateway, against the tools that people use for it, all in one run.

Every side is a process of its own, from its start to its end, and everybody, the gateway too, has all cores: that is
how a sync is run. Kist does what the others do not: the plan, every file's outcome and the manifest are on the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import direct, programs
from bench.figures import Finding, Goal, Plan, Spread
from bench.list_stub import EMPTY, name_of
from bench.machine import CLIENT_CORE, on_core
from bench.sync_tools import MIB, Run, bench, compared, in_turn, rounds, run, shown

from kist.catalogues.sqlite import open_catalogue
from kist.model.changes import Keep
from kist.model.job import Entry
from kist.system import SystemClock

SMALL = 4096
FOLDER = 100
"""Files in a folder."""
COLLECTED = 12.0
"""Seconds after which the gateway has given back the memory of what was deleted."""
MILLISECONDS = 30
"""From a request for a page of a listing to its answer, over a distance."""
PEAK = Goal(150, "MiB", at_least=False)


def small(plan: Plan) -> Iterator[Finding]:
    """A first sync of many small files."""
    count = 500 if plan.short else 5000
    with bench(plan) as made:
        folder = fill(plan.folder / "small", count, SMALL)
        found = in_turn(
            rounds(plan),
            {
                "kist": lambda turn: made.kist(folder, f"{direct.BUCKET}/kist-{turn}"),
                "s5cmd": lambda turn: made.s5cmd(f"{folder}/", f"s3://{direct.BUCKET}/s5cmd-{turn}/"),
                "rclone": lambda turn: made.rclone(f"{folder}", f":s3:{direct.BUCKET}/rclone-{turn}"),
                "aws": lambda turn: made.aws(f"{folder}", f"s3://{direct.BUCKET}/aws-{turn}"),
                "s3cmd": lambda turn: made.s3cmd(f"{folder}/", f"s3://{direct.BUCKET}/s3cmd-{turn}/"),
            },
        )
        shutil.rmtree(folder)
    goals = {"s5cmd": 0.7, "rclone": 0.7, "aws": 0.35, "s3cmd": None}
    yield from compared(f"first sync of {count:,} files of 4 KiB", found, goals)


def same(plan: Plan) -> Iterator[Finding]:
    """The same again, with nothing changed. The round that is not counted brings the files there."""
    count = 500 if plan.short else 5000
    with bench(plan) as made:
        folder = fill(plan.folder / "same", count, SMALL)
        found = in_turn(
            rounds(plan),
            {
                "kist": lambda _: made.kist(folder, f"{direct.BUCKET}/kist"),
                "s5cmd": lambda _: made.s5cmd(f"{folder}/", f"s3://{direct.BUCKET}/s5cmd/"),
                "rclone": lambda _: made.rclone(f"{folder}", f":s3:{direct.BUCKET}/rclone"),
                "aws": lambda _: made.aws(f"{folder}", f"s3://{direct.BUCKET}/aws"),
                "s3cmd": lambda _: made.s3cmd(f"{folder}/", f"s3://{direct.BUCKET}/s3cmd/"),
            },
        )
        shutil.rmtree(folder)
    goals = {"s5cmd": 0.8, "aws": 0.3, "rclone": None, "s3cmd": None}
    yield from compared(f"{count:,} files again, nothing changed", found, goals)


def many(plan: Plan) -> Iterator[Finding]:
    """So many files that it counts what each of them costs, in time and in memory."""
    count = 10_000 if plan.short else 100_000
    with bench(plan) as made:
        folder = fill(plan.folder / "many", count, 1)
        found = in_turn(
            rounds(plan),
            {
                "kist": lambda _: made.kist(folder, f"{direct.BUCKET}/many"),
                "s5cmd": lambda _: made.s5cmd(f"{folder}/", f"s3://{direct.BUCKET}/many/"),
            },
        )
        shutil.rmtree(folder)
    yield from compared(f"{count:,} files, nothing changed", found, {"s5cmd": 0.8})
    peak = Spread.of([each.peak for each in found["kist"]])
    yield Finding(f"peak RSS, {count:,} files, nothing changed", peak, shown(found["kist"]), goal=PEAK, unit="MiB")


def million(plan: Plan) -> Iterator[Finding]:
    """The same ten times over, listed by a stub, with a manifest that knows all of them."""
    count = 100_000 if plan.short else 1_000_000
    home, folder = plan.folder / "million-home", plan.folder / "million"
    home.mkdir()
    for number in range(count):
        path = folder / name_of(number)
        if number % FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    asyncio.run(_know(home, folder, count))
    with programs.list_stub(count) as stub:
        settings = {**direct.settings(stub.url), "KIST_HOME": str(home)}
        done = run([sys.executable, "-m", "bench.sync_client", str(folder), f"{direct.BUCKET}/million"], settings)
    found = json.loads(done.printed)
    assert (found["state"], found["unchanged"], found["files"]) == ("succeeded", count, 0), found
    peak = found["peak"] / 1024
    ours = f"{done.seconds:.1f} s, {peak:.0f} MiB"
    yield Finding(f"peak RSS, {count:,} files, nothing changed", Spread.of([peak]), ours, goal=PEAK, unit="MiB")
    shutil.rmtree(home)
    shutil.rmtree(folder)


def far(plan: Plan) -> Iterator[Finding]:
    """The listing alone of a bucket that is 30 ms away, as S3 is: in ranges, against page after page."""
    count = 10_000 if plan.short else 100_000
    home, folder = plan.folder / "far-home", plan.folder / "far"
    home.mkdir()
    fill(folder, count, 0)
    asyncio.run(_know(home, folder, count))
    with programs.list_stub(count, MILLISECONDS) as stub:
        settings = {**direct.settings(stub.url), "KIST_HOME": str(home)}

        def listed(how: str) -> Run:
            command = [sys.executable, "-m", "bench.list_client", how, direct.BUCKET, "million/"]
            found = json.loads(run(command, settings).printed)
            assert found["objects"] == count, found
            return Run(found["seconds"], found["peak"] / 1024, "")

        found = in_turn(
            rounds(plan), {"kist": lambda _: listed("ranges"), "page after page": lambda _: listed("chain")}
        )
    shutil.rmtree(home)
    shutil.rmtree(folder)
    what = f"listing of {count:,} objects, {MILLISECONDS} ms a page, in ranges"
    yield from compared(what, found, {"page after page": 0.5})


async def _know(home: Path, folder: Path, count: int) -> None:
    """Write a manifest that says that a sync has put all of the files there."""
    catalogue = await open_catalogue(home / "kist.sqlite", SystemClock())
    for first in range(0, count, 5000):
        names = [name_of(number) for number in range(first, min(first + 5000, count))]
        await catalogue.commit(*(Keep(_entry(name, (folder / name).stat().st_mtime_ns)) for name in names))
    await catalogue.close()


def _entry(name: str, since: int) -> Entry:
    dest = f"{direct.BUCKET}/million"
    return Entry(dest=dest, key=name, size=0, modified=since, etag=EMPTY, job="")


def large(plan: Plan) -> Iterator[Finding]:
    """One large file, up and down."""
    size = (512 if plan.short else 2048) * MIB
    with bench(plan) as made:
        folder, target = plan.folder / "large", plan.folder / "target"
        folder.mkdir()
        _write(folder / "file", size)
        there = direct.BUCKET

        def before(side: Callable[[int], Run], clear: Callable[[], None]) -> Callable[[int], Run]:
            def cleared(turn: int) -> Run:
                clear()
                return side(turn)

            return cleared

        def removed() -> None:
            made.empty("up-")
            time.sleep(COLLECTED)

        def emptied() -> None:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            os.sync()  # what the one before has left to be written is not this one's

        sent = in_turn(
            rounds(plan),
            {
                "kist": before(lambda turn: made.kist(folder, f"{there}/up-kist-{turn}"), removed),
                "s5cmd": before(lambda turn: made.s5cmd(f"{folder}/", f"s3://{there}/up-s5cmd-{turn}/"), removed),
            },
        )
        removed()
        made.kist(folder, f"{there}/large")
        fetched = in_turn(
            rounds(plan),
            {
                "kist": before(lambda turn: made.kist(f"{there}/large", target, home=f"down-{turn}"), emptied),
                "s5cmd": before(lambda _: made.s5cmd(f"s3://{there}/large/*", f"{target}/"), emptied),
            },
        )
        shutil.rmtree(folder)
        shutil.rmtree(target)
    yield from compared(f"one file of {size // MIB:,} MiB up", sent, {"s5cmd": 1.1})
    yield from compared(f"one file of {size // MIB:,} MiB down", fetched, {"s5cmd": 1.1})


def scan(plan: Plan) -> Iterator[Finding]:
    """The walk alone, in one process that is up already, against ``find`` with the same facts."""
    count = 10_000 if plan.short else 100_000
    folder = fill(plan.folder / "scan", count, 0)
    find = ["find", str(folder), "-type", "f", "-printf", "%P %s %T@ %i\\n"]

    def walked(_: int) -> Run:
        done = run([sys.executable, "-m", "bench.scan_client", str(folder)], {})
        found = json.loads(done.printed)
        assert found["files"] == count, found
        return Run(found["seconds"], done.peak, "")

    with on_core(CLIENT_CORE):
        found = in_turn(rounds(plan), {"kist": walked, "find -printf": lambda _: run(find, {})})
    shutil.rmtree(folder)
    yield from compared(f"local scan of {count:,} files", found, {"find -printf": 1.5})


def durable(plan: Plan) -> Iterator[Finding]:
    """What it costs that a job lasts: the same engine with its rows on the disk and in memory."""
    count = 500 if plan.short else 5000
    with bench(plan) as made:
        folder = fill(plan.folder / "durable", count, SMALL)
        found = in_turn(
            rounds(plan),
            {
                "kist": lambda turn: made.kist(folder, f"{direct.BUCKET}/durable-{turn}"),
                "rows in memory": lambda turn: made.kist(
                    folder, f"{direct.BUCKET}/memory-{turn}", home="memory", KIST_DATABASE="memory:"
                ),
            },
        )
        shutil.rmtree(folder)
    yield from compared(f"first sync of {count:,} files of 4 KiB as a durable job", found, {"rows in memory": 1.05})


def fill(folder: Path, count: int, size: int) -> Path:
    """A folder of so many files, a hundred in each of its folders."""
    for number in range(count):
        path = folder / name_of(number)
        if number % FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return folder


def _write(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
