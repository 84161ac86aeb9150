"""How long one page of files takes, and how many commits a second the SQLite catalogue makes.

    python bench/listing.py [--rows 1000000] [--samples 200] [--folder DIR]

Builds a database of files in a temporary folder. One owner has 10,000 files, the others share the rest. Pages hold
100 files; deep pages begin at random files. Commits are compared with a bare sqlite3 loop on the same schema with the
same settings, one INSERT per transaction, interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.codecs import SQLITE
from kist.catalogues.sql.schema import FILES, RowCodec
from kist.catalogues.sql.statements import Writer
from kist.catalogues.sqlite import migrate_database, open_catalogue
from kist.catalogues.sqlite.connection import connect
from kist.model.changes import Add, Count, Counter
from kist.model.file import File, FileState
from kist.model.query import Cursor, FileQuery, Sort
from kist.system import SystemClock

BUSY_OWNER = "busy"
BUSY_FILES = 10_000
WORDS = [
    "report",
    "invoice",
    "photo",
    "scan",
    "letter",
    "draft",
    "budget",
    "notes",
    "plan",
    "Größe",
    "été",
    "写真",
    "отчёт",
]
TYPES = ["image/jpeg"] * 10 + ["application/pdf"] * 5 + ["text/plain"] * 3 + ["video/mp4", "application/x-rare"]
START = datetime(2026, 1, 1, tzinfo=UTC)


def made_up_files(count: int) -> Iterator[File]:
    chance = random.Random(7)
    for number in range(count):
        words = chance.sample(WORDS, 3)
        created = START + timedelta(milliseconds=chance.randrange(30_000_000_000))
        yield File(
            id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            name=f"{words[0]} {words[1]}/{words[2]}-{chance.randrange(100_000)}.bin",
            owner=BUSY_OWNER if number % (count // BUSY_FILES or 1) == 0 else f"owner-{chance.randrange(2000)}",
            bucket="base" if chance.random() < 0.8 else f"bucket-{chance.randrange(10)}",
            key=f".kist/objects/{chance.getrandbits(128):032x}",
            state=FileState.READY,
            created_at=created,
            updated_at=created,
            size=int(chance.lognormvariate(12, 3)),
            type=chance.choice(TYPES),
            sha256=f"{chance.getrandbits(256):064x}",
        )


def fill(path: Path, files: Iterable[File]) -> None:
    """Insert the files first and build the indexes afterwards: several times as fast as the other way round."""
    asyncio.run(migrate_database(path, SystemClock()))
    database = connect(path)
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'files_%'"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    codec, insert = RowCodec(FILES, SQLITE), Writer(SQLITE)
    text = insert.statement(Add(next(made_up_files(1)))).sql
    database.execute("BEGIN")
    database.executemany(text, (codec.encode(file) for file in files))
    for _, sql in indexes:
        database.execute(sql)
    database.execute("COMMIT")
    database.close()


async def timed(call: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


def row(*cells: object) -> None:
    print(f"{cells[0]!s:<58}" + "".join(f"{cell!s:>11}" for cell in cells[1:]), flush=True)


def figures(times: list[float]) -> tuple[str, str, str]:
    times.sort()
    return tuple(f"{value:.2f}" for value in (statistics.median(times), times[len(times) * 99 // 100], times[-1]))  # type: ignore[return-value]


def cursors(path: Path, sort: Sort, narrow: dict[str, str], samples: int) -> list[Cursor]:
    """The ends of pages that begin anywhere in the list."""
    database = connect(path)
    where = " AND ".join(["state = 'ready'", *(f"{name} = :{name}" for name in narrow)])
    found = database.execute(f"SELECT {sort.value}, id FROM files WHERE {where} LIMIT 200000", narrow).fetchall()
    database.close()
    chosen = random.Random(1).choices(found, k=samples)
    decode = SQLITE.decoder(FILES.kinds[sort.value]) or (lambda value: value)
    return [Cursor(decode(value), id) for value, id in chosen]


async def pages(catalogue: SqlCatalogue, path: Path, samples: int) -> None:
    scopes: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        "all files": ({"visible_to": None}, {}),
        "one owner": ({"visible_to": BUSY_OWNER}, {"owner": BUSY_OWNER}),
        "one bucket (80 %)": ({"visible_to": None, "bucket": "base"}, {"bucket": "base"}),
        "one bucket (2 %)": ({"visible_to": None, "bucket": "bucket-3"}, {"bucket": "bucket-3"}),
        "one type (5 %)": ({"visible_to": None, "type": "application/x-rare"}, {"type": "application/x-rare"}),
        "one owner, rare type": (
            {"visible_to": BUSY_OWNER, "type": "application/x-rare"},
            {"owner": BUSY_OWNER, "type": "application/x-rare"},
        ),
    }
    row("one page of 100 files (ms)", "p50", "p99", "max")
    for scope, (query, narrow) in scopes.items():
        for sort in Sort:
            ends = cursors(path, sort, narrow, samples)
            for descending in (False, True):
                order: dict[str, Any] = {"sort": sort, "descending": descending, **query}
                first = [await timed(lambda: catalogue.files(FileQuery(**order))) for _ in range(samples)]  # noqa: B023
                deep = [await timed(lambda: catalogue.files(FileQuery(after=end, **order))) for end in ends]  # noqa: B023
                label = f"{scope}, by {sort.value}{' descending' if descending else ''}"
                row(f"{label}, first page", *figures(first))
                row(f"{label}, deep pages", *figures(deep))


async def searches(catalogue: SqlCatalogue, samples: int) -> None:
    texts = {"in a fifth of the names": "REPORT", "in few names": "report invoice/photo-1", "in no name": "nowhere"}
    row("one page of a search (ms)", "p50", "p99", "max")
    for who, label, tries in ((BUSY_OWNER, "one owner", samples), (None, "all files", min(samples, 10))):
        for where, text in texts.items():
            for sort in Sort:
                query = FileQuery(visible_to=who, text=text, sort=sort)
                times = [await timed(lambda: catalogue.files(query)) for _ in range(tries)]  # noqa: B023
                row(f"{label}, by {sort.value}, {where}", *figures(times))


async def commits(folder: Path, seconds: float = 2.0, rounds: int = 3) -> None:
    """Commits a second: bare loop, one committer, 64 committers, and 64 that also count."""
    rates: dict[str, list[float]] = {}
    for number in range(rounds):
        path = folder / f"commits-{number}.db"
        catalogue = await open_catalogue(path, SystemClock())
        files = made_up_files(10_000_000)
        rates.setdefault("bare sqlite3, one INSERT per transaction", []).append(bare(path, files, seconds))
        for many, count in ((1, False), (64, False), (64, True)):
            label = f"catalogue, {many} committer{'s' if many > 1 else ''}{', Add + 2 Count' if count else ', Add'}"
            rates.setdefault(label, []).append(await rate(catalogue, files, many, count, seconds))
        await catalogue.close()
    bare_rate = statistics.median(next(iter(rates.values())))
    row("commits", "per second", "ratio")
    for label, found in rates.items():
        row(label, f"{statistics.median(found):.0f}", f"{statistics.median(found) / bare_rate:.2f}")


def bare(path: Path, files: Iterator[File], seconds: float) -> float:
    database = connect(path)
    writer = Writer(SQLITE)
    made, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        statement = writer.statement(Add(next(files)))
        database.execute("BEGIN IMMEDIATE")
        database.execute(statement.sql, statement.params)
        database.execute("COMMIT")
        made += 1
    spent = time.perf_counter() - begun
    database.close()
    return made / spent


async def rate(catalogue: SqlCatalogue, files: Iterator[File], many: int, count: bool, seconds: float) -> float:
    made, begun = 0, time.perf_counter()

    async def commit() -> None:
        nonlocal made
        while time.perf_counter() - begun < seconds:
            file = next(files)
            more = [Count(owner=file.owner, counter=counter, by=1) for counter in (Counter.FILES, Counter.BYTES)]
            await catalogue.commit(Add(file), *(more if count else ()))
            made += 1

    await asyncio.gather(*(commit() for _ in range(many)))
    return made / (time.perf_counter() - begun)


async def measure(folder: Path, path: Path, samples: int) -> None:
    catalogue = await open_catalogue(path, SystemClock())
    await pages(catalogue, path, samples)
    print()
    await searches(catalogue, samples)
    await catalogue.close()
    print()
    await commits(folder)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--samples", type=int, default=200)
    options.add_argument(
        "--folder", type=Path, help="where to put (and keep) the database; default: a temporary folder"
    )
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="kist-bench-") as temporary:
        path = (given.folder or Path(temporary)) / f"files-{given.rows}.db"
        if not path.exists():
            begun = time.perf_counter()
            fill(path, made_up_files(given.rows))
            print(f"{given.rows} files in {time.perf_counter() - begun:.0f} s, {path.stat().st_size >> 20} MiB\n")
        asyncio.run(measure(Path(temporary), path, given.samples))


if __name__ == "__main__":
    main()
