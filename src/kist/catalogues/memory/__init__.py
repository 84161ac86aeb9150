"""Rows in dictionaries: for tests and trials, and as the model that every other catalogue is compared with.

It never suspends, so it serves the blocking set and the event loop alike. Nothing outlives the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar, get_args

import msgspec

from kist.catalogues.memory.matching import differences, guarded, matches, rank, set_row, unchanged
from kist.catalogues.memory.terms import Terms
from kist.errors import BucketMissing, Clash, FileMissing, JobMissing, KeyMissing, LinkMissing, UploadMissing
from kist.model.bucket import Bucket
from kist.model.changes import (
    Add,
    Change,
    Clear,
    Count,
    Discard,
    Drop,
    Forget,
    Hold,
    Keep,
    Lapse,
    Row,
    Spend,
    Swap,
    Use,
    row_id,
)
from kist.model.file import File, FileState
from kist.model.job import Compared, Entry, Job, Step, StepState
from kist.model.link import Link
from kist.model.profile import Profile
from kist.model.query import Cursor, FileQuery, Page
from kist.model.rows import AuditEntry, Doomed, Held, Idempotency, Key, Latch, SealedKeys, Totals, Usage
from kist.model.share import Share
from kist.model.upload import Upload, UploadState
from kist.ports.system import Clock
from kist.ports.wiring import Wiring

R = TypeVar("R", bound=Row)
Undo = Callable[[], object]

_KEPT = (FileState.READY, FileState.LOST)
_UNENDED = (UploadState.OPEN, UploadState.SEALING)


async def connect(wiring: Wiring) -> MemoryCatalogue:
    """A new, empty catalogue, whatever the URL says behind ``memory:``."""
    return MemoryCatalogue(wiring.clock)


class MemoryCatalogue:
    """See ``kist.ports.catalogue.Catalogue`` for what each method promises."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._terms = Terms()
        self._tables: dict[type, dict[tuple[str, ...], Row]] = {kind: {} for kind in get_args(Row)}
        self._usage: dict[str, Usage] = {}

    async def file(self, file_id: str) -> File:
        if (file := self._row(File, file_id)) is None:
            raise FileMissing("there is no such file")
        return file

    async def some_files(self, file_ids: Sequence[str]) -> dict[str, File]:
        found = ((file_id, self._row(File, file_id)) for file_id in file_ids)
        return {file_id: file for file_id, file in found if file is not None}

    async def files(self, query: FileQuery) -> Page[File]:
        wanted = [file for file in self._rows(File) if self._shown(file, query) and matches(file, query)]
        wanted.sort(key=lambda file: rank(file, query.sort), reverse=query.descending)
        items = tuple(wanted[: query.limit])
        more = len(wanted) > len(items)
        return Page(items, Cursor(*rank(items[-1], query.sort)) if more else None)

    async def undigested(self, limit: int, after: str = "") -> tuple[File, ...]:
        bare = (row for row in self._rows(File) if row.state is FileState.READY and row.sha256 is None)
        return _first(limit, (row for row in bare if row.id > after), lambda row: (row.id,))

    async def upload(self, upload_id: str) -> Upload:
        if (upload := self._row(Upload, upload_id)) is None:
            raise UploadMissing("there is no such upload")
        return upload

    async def overdue(self, now: datetime, limit: int) -> tuple[Upload, ...]:
        late = (row for row in self._rows(Upload) if row.state in _UNENDED and row.deadline < now)
        return _first(limit, late, lambda row: (row.deadline, row.id))

    async def upload_of(self, file_id: str) -> Upload | None:
        unended = (row for row in self._rows(Upload) if row.file_id == file_id and row.state in _UNENDED)
        return max(unended, key=lambda row: row.started_at, default=None)

    async def upload_at(self, bucket: str, address: str) -> Upload | None:
        meant = (row for row in self._rows(Upload) if row.bucket == bucket and row.address == address)
        return max(meant, key=lambda row: row.started_at, default=None)

    async def arriving(self, bucket: str, addresses: Sequence[str]) -> tuple[Upload, ...]:
        states = (UploadState.OPEN, UploadState.SEALING)
        meant = (row for row in self._rows(Upload) if row.bucket == bucket and row.address in addresses)
        return tuple(row for row in meant if row.settles and row.state in states)

    async def addressed(self, bucket: str, addresses: Sequence[str]) -> dict[str, File]:
        ready = (row for row in self._rows(File) if row.state is FileState.READY and row.bucket == bucket)
        return {row.address: row for row in ready if row.address is not None and row.address in addresses}

    async def bucket(self, name: str) -> Bucket:
        if (bucket := self._row(Bucket, name)) is None:
            raise BucketMissing("there is no such bucket")
        return bucket

    async def buckets(self, owner: str | None = None) -> tuple[Bucket, ...]:
        theirs = (row for row in self._rows(Bucket) if owner in (None, row.owner))
        return tuple(sorted(theirs, key=lambda row: row.name))

    async def bucket_used(self, name: str) -> bool:
        kept = any(row.bucket == name and row.state in _KEPT for row in self._rows(File))
        return kept or any(row.bucket == name and row.state in _UNENDED for row in self._rows(Upload))

    async def doomed_in(self, bucket: str, limit: int) -> tuple[Doomed, ...]:
        inside = (row for row in self._rows(Doomed) if row.bucket == bucket)
        return _first(limit, inside, lambda row: (row.key, row.id))

    async def settling(self, limit: int, after: str = "") -> tuple[Upload, ...]:
        waiting = (row for row in self._rows(Upload) if row.settles and row.state is UploadState.OPEN)
        return _first(limit, (row for row in waiting if row.id > after), lambda row: (row.id,))

    async def ended_uploads(self, before: datetime, limit: int) -> tuple[Upload, ...]:
        old = (row for row in self._rows(Upload) if row.ended_at is not None and row.ended_at < before)
        return _first(limit, old, lambda row: (row.ended_at, row.id))

    async def share(self, file_id: str, actor: str) -> Share | None:
        return self._row(Share, file_id, actor)

    async def shares(self, file_id: str) -> tuple[Share, ...]:
        return tuple(sorted((row for row in self._rows(Share) if row.file_id == file_id), key=lambda row: row.actor))

    async def link(self, link_id: str) -> Link:
        if (link := self._row(Link, link_id)) is None:
            raise LinkMissing("there is no such link")
        return link

    async def linked(self, link_id: str) -> tuple[Link, File]:
        link = await self.link(link_id)
        if (file := self._row(File, link.file_id)) is None:
            raise LinkMissing("there is no such link")
        return link, file

    async def links(self, actor: str, limit: int, after: Cursor | None = None) -> Page[Link]:
        mine = [row for row in self._rows(Link) if row.actor == actor and row.revoked_at is None]
        if after is not None:
            mine = [row for row in mine if (row.created_at, row.id) < (after.value, after.id)]
        mine.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        items = tuple(mine[:limit])
        return Page(items, Cursor(items[-1].created_at, items[-1].id) if len(mine) > limit else None)

    async def old_links(self, before: datetime, limit: int) -> tuple[Link, ...]:
        old = (row for row in self._rows(Link) if row.expires_at < before)
        return _first(limit, old, lambda row: (row.expires_at, row.id))

    async def profile(self, profile_id: str) -> Profile | None:
        return self._row(Profile, profile_id)

    async def held(self, bucket: str, after: str, limit: int) -> tuple[Held, ...]:
        kept = (row for row in self._rows(File) if row.state in _KEPT and row.bucket == bucket)
        found = _first(limit, (row for row in kept if row.key > after), lambda row: (row.key,))
        return tuple(Held(row.key, row.size, row.id, lost=row.state is FileState.LOST) for row in found)

    async def spoken_for(self, bucket: str, keys: Sequence[str]) -> frozenset[str]:
        named: set[str | None] = {row.key for row in self._rows(Doomed) if row.bucket == bucket}
        named |= {row.key for row in self._rows(File) if row.bucket == bucket and row.state in _KEPT}
        for row in self._rows(Upload):
            if row.bucket == bucket and row.state in _UNENDED:
                named |= {row.key, row.target if row.state is UploadState.SEALING else None}
        return frozenset(key for key in keys if key in named)

    async def awaits(self, bucket: str, key: str) -> bool:
        unended = (row for row in self._rows(Upload) if row.state in _UNENDED)
        return any((row.bucket, row.key) == (bucket, key) for row in unended)

    async def job(self, job_id: str) -> Job:
        if (job := self._row(Job, job_id)) is None:
            raise JobMissing("there is no such job")
        return job

    async def job_numbered(self, number: int) -> Job:
        found = next((row for row in self._rows(Job) if row.number == number), None)
        if found is None:
            raise JobMissing("there is no such job")
        return found

    async def jobs(self, actor: str | None, limit: int, before: int | None = None) -> tuple[Job, ...]:
        theirs = (row for row in self._rows(Job) if actor in (None, row.actor))
        wanted = (row for row in theirs if before is None or row.number < before)
        return _first(limit, wanted, lambda row: (-row.number,))

    async def unended_jobs(self) -> tuple[Job, ...]:
        return tuple(sorted((row for row in self._rows(Job) if row.ended_at is None), key=lambda row: row.number))

    async def steps(self, job: str, limit: int, after: str = "", *, planned: bool = False) -> tuple[Step, ...]:
        of_job = (row for row in self._rows(Step) if row.job == job and row.key > after)
        wanted = (row for row in of_job if not planned or row.state is StepState.PLANNED)
        return _first(limit, wanted, lambda row: (row.key,))

    async def entries(self, dest: str, limit: int, after: str = "") -> tuple[Entry, ...]:
        of_dest = (row for row in self._rows(Entry) if row.dest == dest and row.key > after)
        return _first(limit, of_dest, lambda row: (row.key,))

    async def marks(self, dest: str, every: int, after: str = "") -> tuple[str, ...]:
        keys = sorted(row.key for row in self._rows(Entry) if row.dest == dest and row.key > after)
        return tuple(keys[every - 1 :: every])

    async def compared(self, sync: str, limit: int, after: str = "") -> tuple[Compared, ...]:
        of_sync = (row for row in self._rows(Compared) if row.sync == sync and row.key > after)
        return _first(limit, of_sync, lambda row: (row.key,))

    async def latch(self, name: str) -> Latch | None:
        return self._row(Latch, name)

    async def sealed_keys(self, job: str) -> SealedKeys | None:
        return self._row(SealedKeys, job)

    async def totals(self, now: datetime) -> Totals:
        unended = [row for row in self._rows(Upload) if row.state in _UNENDED]
        doomed = list(self._rows(Doomed))
        return Totals(
            files=sum(usage.files for usage in self._usage.values()),
            bytes=sum(usage.bytes for usage in self._usage.values()),
            open_uploads=len(unended),
            reserved_bytes=sum(row.reserved for row in unended),
            doomed=len(doomed),
            due=sum(row.not_before <= now for row in doomed),
        )

    async def key(self, key_id: str) -> Key:
        if (key := self._row(Key, key_id)) is None:
            raise KeyMissing("there is no such key")
        return key

    async def keys(self) -> tuple[Key, ...]:
        live = (row for row in self._rows(Key) if row.revoked_at is None)
        return tuple(sorted(live, key=lambda row: (row.created_at, row.id)))

    async def usage(self, owner: str) -> Usage:
        return self._usage.get(owner) or Usage(owner=owner)

    async def idempotency(self, actor: str, key: str) -> Idempotency | None:
        return self._row(Idempotency, actor, key)

    async def old_idempotency(self, before: datetime, limit: int) -> tuple[Idempotency, ...]:
        old = (row for row in self._rows(Idempotency) if row.answer is not None and row.created_at < before)
        return _first(limit, old, lambda row: (row.created_at, row.actor, row.key))

    async def doomed(self, now: datetime, limit: int) -> tuple[Doomed, ...]:
        due = (row for row in self._rows(Doomed) if row.not_before <= now)
        return _first(limit, due, lambda row: (row.not_before, row.id))

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        newest = sorted(self._rows(AuditEntry), key=lambda row: (row.at, row.id), reverse=True)
        return tuple(newest[:limit])

    async def now(self) -> datetime:
        return self._clock.now()

    async def term(self, term: str) -> int:
        return self._terms.until(term)

    async def commit(self, *changes: Change) -> None:
        undo: list[Undo] = []
        for index, change in enumerate(changes):
            step = self._apply(change)
            if step is None:
                for back in reversed(undo):
                    back()
                raise clash(index, change)
            undo.append(step)

    async def ping(self) -> None:
        """There is nothing that could fail."""

    async def close(self) -> None:
        """There is nothing to free."""

    def _apply(self, change: Change) -> Undo | None:
        """Apply one change and return how to take it back; None when it clashes."""
        match change:
            case Add(row):
                return None if self._row(type(row), *row_id(row)) else self._put(None, row)
            case Swap(before, after):
                found = self._row(type(before), *row_id(before))
                changed = differences(before, after)
                if found is None or not unchanged(found, before, changed):
                    return None
                return self._put(found, msgspec.structs.replace(found, **changed))
            case Drop(row):
                found = self._row(type(row), *row_id(row))
                return self._put(found, None) if found and guarded(found) == guarded(row) else None
            case Count():
                return self._count(change)
            case Use():
                return self._use(change)
            case Keep(row):
                return self._put(self._row(type(row), *row_id(row)), row)
            case Forget() | Clear() | Discard():
                return self._forget(change)
            case Hold() | Spend() | Lapse():
                return self._terms.apply(change)

    def _put(self, before: Row | None, after: Row | None) -> Undo | None:
        row = after or before
        assert row is not None
        if isinstance(after, File) and self._address_taken(after):
            return None
        if isinstance(after, Job) and any(
            other.number == after.number and other.id != after.id for other in self._rows(Job)
        ):
            return None
        table, key = self._tables[type(row)], row_id(row)
        set_row(table, key, after)
        return lambda: set_row(table, key, before)

    def _count(self, change: Count) -> Undo | None:
        owner, counter = change.owner, str(change.counter)
        before = self._usage.get(owner)
        usage = before or Usage(owner=owner)
        total = getattr(usage, counter) + change.by
        if change.at_most is not None and total > change.at_most:
            return None
        self._usage[owner] = msgspec.structs.replace(usage, **{counter: total})
        return lambda: set_row(self._usage, owner, before)

    def _use(self, change: Use) -> Undo | None:
        link = self._row(Link, change.link)
        if link is None or link.revoked_at is not None:
            return None
        uses = link.uses + change.times
        if link.max_uses is not None and uses > link.max_uses:
            return None
        return self._put(link, msgspec.structs.replace(link, uses=uses, last_used_at=change.at))

    def _forget(self, change: Forget | Clear | Discard) -> Undo:
        keys: list[tuple[str, ...]]
        match change:
            case Forget(dest, key):
                table, keys = self._tables[Entry], [(dest, key)]
            case Discard(job):
                table, keys = self._tables[SealedKeys], [(job,)]
            case Clear(job):
                table = self._tables[Step]
                steps = (row for row in self._rows(Step) if row.job == job and row.state is not StepState.DONE)
                keys = [row_id(row) for row in steps]
        gone = {key: table.pop(key) for key in keys if key in table}
        return lambda: table.update(gone)

    def _shown(self, file: File, query: FileQuery) -> bool:
        """Whether who asks may see the file, by owning it or by a share."""
        if query.shared_with is None:
            return query.visible_to in (None, file.owner)
        share = self._row(Share, file.id, query.shared_with)
        return share is not None and share.read and query.now is not None and share.live(query.now)

    def _address_taken(self, file: File) -> bool:
        """Whether another ready file of the bucket has this address."""
        if file.address is None or file.state is not FileState.READY:
            return False
        return any(
            other.address == file.address and other.bucket == file.bucket and other.state is FileState.READY
            for other in self._rows(File)
            if other.id != file.id
        )

    def _row(self, kind: type[R], *key: str) -> R | None:
        row = self._tables[kind].get(key)
        return row if isinstance(row, kind) else None

    def _rows(self, kind: type[R]) -> Iterable[R]:
        return (row for row in self._tables[kind].values() if isinstance(row, kind))


def clash(index: int, change: Change) -> Clash:
    """The ``Clash`` of the change at ``index`` of a commit."""
    if isinstance(change, Count | Use | Spend):
        return Clash("the limit would be exceeded", change=index)
    return Clash("somebody else changed this first: read it again and decide again", change=index)


def _first(limit: int, rows: Iterable[R], order: Callable[[R], tuple[object, ...]]) -> tuple[R, ...]:
    return tuple(islice(sorted(rows, key=order), limit))
