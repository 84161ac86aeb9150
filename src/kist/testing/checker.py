"""Look at a Kist from outside and say what it lost, leaked or forgot: the invariants I1 to I7 after an experiment.

A program of its own that shares no code with the service, the stores or the catalogues: it walks the folder of the
disk store, reads the database with plain SQL and believes only the log of what clients were told.

    python -m kist.testing.checker --database HOME/kist.sqlite --store HOME/objects --log clients.jsonl

(or ``--database postgresql://…``)
prints one line for each violation and exits with 1 when there is any. Nothing may be writing at the same time.

I1 every acknowledged file is there with its bytes · I2 every ready row has its object with its size and checksum ·
I3 every object and every leftover has a row or is younger than the grace · I4 the counters of usage are the sums of
the rows · I5 no two ready rows share a key · I6 what was acknowledged as removed stays removed · I7 one request makes
at most one file, and nobody's request makes none.

The log has one JSON object a line, in the order in which things happened; of each file, one request is under way at a
time. ``{"asked": 1, "verb": "put", "name": …, "sha256": …}``, or with ``file`` and the verb ``replace`` (``sha256``),
``rename`` (``name``) or ``remove``; then ``{"done": 1, "file": id}`` when the client was told that it is done, or
``{"refused": 1}`` when it was told that it is not. A request with neither may have been done or not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from kist.testing.checker_rows import Row, Rows, read_rows

BLOCK = 1 << 20
OURS = ".kist/"
TEMPORARY = ".tmp"

At: TypeAlias = tuple[str, str]  # bucket and key
Shown: TypeAlias = tuple[str, str] | None  # the name and the sha256 of a file, None when it is gone


class Found(NamedTuple):
    """An object, or a leftover of one that was never finished, which ``marks`` names where its key is not known."""

    bucket: str
    key: str
    modified: float
    marks: str | None = None


class Objects(Protocol):
    def found(self) -> Iterable[Found]:
        """All objects of Kist's own and all leftovers."""

    def blocks(self, bucket: str, key: str) -> Iterator[bytes]:
        """The bytes of an object; ``FileNotFoundError`` when there is none."""


class Folder:
    """The folder of a disk store."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def found(self) -> Iterator[Found]:
        for folder, _, names in os.walk(self._root):
            bucket, *parents = Path(folder).relative_to(self._root).parts or ("",)
            for name in names:
                key = "/".join([*parents, name])
                modified = os.lstat(os.path.join(folder, name)).st_mtime
                if bucket == TEMPORARY:
                    yield Found(TEMPORARY, key, modified, marks=_mark_in(key))
                elif key.startswith(OURS):
                    yield Found(bucket, key, modified)

    def blocks(self, bucket: str, key: str) -> Iterator[bytes]:
        with (self._root / bucket / key).open("rb") as file:
            while block := file.read(BLOCK):
                yield block


def check(
    database: Path | str,
    objects: Objects,
    log: Iterable[Row] = (),
    *,
    grace: float = 0.0,
    settled: bool = False,
    now: float | None = None,
) -> list[str]:
    """Every violation as a sentence. ``database``: the file of SQLite, or the URL of PostgreSQL.

    ``grace``: seconds that an object without a row may have. ``settled``: the chores have run after all deadlines, so
    nothing may be under way any more. ``now``: seconds since 1970.
    """
    rows = read_rows(database)
    ready = [_with_digest(row, objects) for row in rows.files if row["state"] == "ready"]
    violations = [] if rows.integrity == "ok" else [f"the database is damaged: {rows.integrity}"]
    violations += _check_objects(ready, objects)
    violations += _check_places(rows, objects, (time.time() if now is None else now) - grace)
    violations += _check_usage(rows)
    violations += _check_keys(rows, ready)
    violations += _check_log(ready, log)
    if settled:
        violations += [f"unfinished: upload {row['id']} is still {row['state']}" for row in rows.under_way]
        # The file of a ticket that has ended stays pending, so that the upload can be started over.
        ended = {row["file_id"] for row in rows.uploads} - {row["file_id"] for row in rows.under_way}
        pending = [row["id"] for row in rows.files if row["state"] == "pending" and row["id"] not in ended]
        violations += [f"unfinished: file {file_id} is pending" for file_id in pending]
    return violations


def _with_digest(row: Row, objects: Objects) -> Row:
    """The row of a ready file with its sha256, as it is found where the server has not seen all of the bytes."""
    if row["sha256"] is not None:
        return row
    digest = hashlib.sha256()
    try:
        for block in objects.blocks(row["bucket"], row["key"]):
            digest.update(block)
    except FileNotFoundError:
        return row  # which is told elsewhere
    return {**row, "sha256": digest.hexdigest()}


def _check_objects(ready: Iterable[Row], objects: Objects) -> Iterator[str]:
    for row in ready:
        digest, size = hashlib.sha256(), 0
        try:
            for block in objects.blocks(row["bucket"], row["key"]):
                digest.update(block)
                size += len(block)
        except FileNotFoundError:
            yield f"I2: file {row['id']} is ready and its object {row['key']} is not there"
            continue
        if size != row["size"]:
            yield f"I2: file {row['id']} has {row['size']} bytes, its object {size}"
        elif row["sha256"] not in (None, digest.hexdigest()):
            yield f"I2: file {row['id']} has sha256 {row['sha256']}, its object {digest.hexdigest()}"


def _check_places(rows: Rows, objects: Objects, oldest: float) -> Iterator[str]:
    """``oldest``: what was modified before that needs a row."""
    holders = [row for row in rows.files if row["state"] in ("ready", "lost")] + rows.under_way + rows.doomed
    known = {_at(row) for row in holders}
    known |= {(row["bucket"], row["target"]) for row in rows.under_way if row.get("target")}
    marks = {_mark(*at) for at in known}
    for each in objects.found():
        has_row = (each.bucket, each.key) in known if each.marks is None else each.marks in marks
        if not has_row and each.modified <= oldest:
            kind = "object" if each.marks is None else "leftover"
            yield f"I3: the {kind} {each.bucket}/{each.key} has no row"


def _check_usage(rows: Rows) -> Iterator[str]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows.files:
        if row["state"] in ("ready", "lost"):
            sums[row["owner"]].update(bytes=row["size"], files=1)
    for row in rows.under_way:
        sums[row["owner"]].update(bytes=row["reserved"], files=int(row["new"]), uploads=1)
    counted = {row["owner"]: row for row in rows.usage}
    for owner in sorted({*sums, *counted}):
        for counter in ("bytes", "files", "uploads"):
            said = counted[owner][counter] if owner in counted else 0
            if said != sums[owner][counter]:
                yield f"I4: usage says {said} {counter} for {owner}, the rows say {sums[owner][counter]}"


def _check_keys(rows: Rows, ready: Iterable[Row]) -> Iterator[str]:
    counts = Counter(_at(row) for row in ready)
    for (bucket, key), count in counts.items():
        if count > 1:
            yield f"I5: {count} ready files share the object {bucket}/{key}"
    for row in rows.doomed:
        if _at(row) in counts:
            yield f"I5: the object {row['bucket']}/{row['key']} of a ready file is doomed"
    for row in rows.under_way:
        if _at(row) in counts:
            yield f"I5: upload {row['id']} writes to the object of a ready file, {row['bucket']}/{row['key']}"


class Told:
    """What clients may expect, by what they asked and what they were told."""

    def __init__(self) -> None:
        self.files: dict[str, set[Shown]] = {}
        self.puts: dict[int, tuple[str, str]] = {}
        self._asked: dict[int, tuple[Row, set[Shown]]] = {}

    def hear(self, event: Row) -> None:
        if "asked" in event:
            self._ask(event)
        elif "done" in event:
            self._end(event)
        else:
            self._refuse(event["refused"])

    def _ask(self, event: Row) -> None:
        number = event["asked"]
        if event["verb"] == "put":
            self.puts[number] = (event["name"], event["sha256"])
            return
        before = self.files[event["file"]]
        self._asked[number] = (event, before)
        self.files[event["file"]] = before | _after(event, before)

    def _end(self, event: Row) -> None:
        number = event["done"]
        if number in self.puts:
            self.files[event["file"]] = {self.puts.pop(number)}
            return
        asked, before = self._asked.pop(number)
        self.files[asked["file"]] = _after(asked, before)

    def _refuse(self, number: int) -> None:
        if self.puts.pop(number, None) is None:
            asked, before = self._asked.pop(number)
            self.files[asked["file"]] = before


def _after(event: Row, before: Iterable[Shown]) -> set[Shown]:
    """What a file may look like after the request, by what it may have looked like before. Gone files stay gone."""
    if event["verb"] == "remove":
        return {None}
    name, sha256 = event.get("name"), event.get("sha256")
    return {shown and (name or shown[0], sha256 or shown[1]) for shown in before}


def _check_log(ready: Iterable[Row], log: Iterable[Row]) -> Iterator[str]:
    told = Told()
    heard = 0
    for heard, event in enumerate(log, 1):  # noqa: B007 - whether anything was heard matters afterwards
        told.hear(event)
    if not heard:
        return
    there: dict[str, Shown] = {row["id"]: (row["name"], row["sha256"]) for row in ready}
    for file_id, may_be in told.files.items():
        shown = there.pop(file_id, None)
        if shown in may_be:
            continue
        if may_be == {None}:
            yield f"I6: file {file_id} was removed and is there again"
        else:
            yield f"I1: file {file_id} was acknowledged as {_words(may_be)} and is {_words({shown})}"
    unsure = list(told.puts.values())
    for file_id, shown in there.items():
        if shown in unsure:
            unsure.remove(shown)
        else:
            yield f"I7: file {file_id}, {_words({shown})}, was made by no request, or by one that made another as well"


def _words(states: Iterable[Shown]) -> str:
    return " or ".join(sorted("gone" if shown is None else f"{shown[0]!r} with {shown[1]}" for shown in states))


def _at(row: Row) -> At:
    return row["bucket"], row["key"]


def _mark(bucket: str, key: str) -> str:
    """How the disk store begins the names of the temporary files of a place."""
    return hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()[:32]


def _mark_in(key: str) -> str:
    """The mark in the name of a temporary file, or of the folder of parts that it lies in."""
    return key.removeprefix("parts/").partition("/")[0].partition("-")[0]


def read_log(path: Path) -> Iterator[Row]:
    """The events of a log. A last line that was cut off by the death of its writer does not count."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def main(arguments: list[str] | None = None) -> int:
    """The program. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m kist.testing.checker", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--database", required=True, help="the SQLite file, or the URL of PostgreSQL")
    parser.add_argument("--store", type=Path, required=True, help="the folder of the disk store")
    parser.add_argument("--log", type=Path, help="what clients asked and were told, as JSON lines")
    parser.add_argument("--grace", type=float, default=0.0, help="seconds that an object without a row may have")
    parser.add_argument("--settled", action="store_true", help="nothing may be under way any more")
    given = parser.parse_args(arguments)
    log = read_log(given.log) if given.log else ()
    violations = check(given.database, Folder(given.store), log, grace=given.grace, settled=given.settled)
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
