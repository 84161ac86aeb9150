"""The catalogue over any SQL database: rows in, rows out, all SQL from this package, all driving from a runner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kist.catalogues.sql import queries, schema
from kist.catalogues.sql.moving import copy_rows
from kist.catalogues.sql.runner import Runner
from kist.catalogues.sql.schema import RowCodec
from kist.catalogues.sql.statements import Statement, Writer
from kist.errors import BucketMissing, Clash, FileMissing, JobMissing, KeyMissing, LinkMissing, UploadMissing
from kist.model.bucket import Bucket
from kist.model.changes import Add, Change, Count, Spend, Use
from kist.model.file import File
from kist.model.job import Compared, Entry, Job, Step
from kist.model.link import Link
from kist.model.profile import Profile
from kist.model.query import Cursor, FileQuery, Page
from kist.model.rows import AuditEntry, Doomed, Held, Idempotency, Key, Latch, SealedKeys, Totals, Usage
from kist.model.share import Share
from kist.model.upload import Upload
from kist.ports.system import Clock

MOST = (1 << 63) - 1
"""The largest number that a database holds."""


class SqlCatalogue:
    """See ``kist.ports.catalogue.Catalogue`` for what each method promises.

    ``clock``: that of the machine, for a database without one of its own.
    """

    def __init__(self, runner: Runner, clock: Clock | None = None) -> None:
        codec = runner.codec
        self._runner = runner
        self._clock = clock
        self._writer = Writer(codec)
        self._holds = codec.holds  # one text that cannot be held, among many, would hide what the others find
        self._files = RowCodec(schema.FILES, codec)
        self._uploads = RowCodec(schema.UPLOADS, codec)
        self._keys = RowCodec(schema.KEYS, codec)
        self._usage = RowCodec(schema.USAGE, codec)
        self._doomed = RowCodec(schema.DOOMED, codec)
        self._idempotency = RowCodec(schema.IDEMPOTENCY, codec)
        self._audit = RowCodec(schema.AUDIT, codec)
        self._shares = RowCodec(schema.SHARES, codec)
        self._links = RowCodec(schema.LINKS, codec)
        self._profiles = RowCodec(schema.PROFILES, codec)
        self._buckets = RowCodec(schema.BUCKETS, codec)
        self._jobs = RowCodec(schema.JOBS, codec)
        self._steps = RowCodec(schema.STEPS, codec)
        self._entries = RowCodec(schema.ENTRIES, codec)
        self._latches = RowCodec(schema.LATCHES, codec)
        self._sealed_keys = RowCodec(schema.SEALED_KEYS, codec)
        self._compared = RowCodec(schema.COMPARED, codec)

    async def file(self, file_id: str) -> File:
        if (row := await self._runner.find(queries.FILE, {"id": file_id})) is None:
            raise FileMissing("there is no such file")
        return self._files.decode(row)

    async def some_files(self, file_ids: Sequence[str]) -> dict[str, File]:
        wanted = [file_id for file_id in file_ids if self._holds(file_id)]
        if not wanted:
            return {}
        files = self._files.decode_all(await self._runner.fetch(*queries.some_files(wanted)))
        return {file.id: file for file in files}

    async def files(self, query: FileQuery) -> Page[File]:
        if queries.finds_nothing(query):
            return Page(())
        rows = await self._runner.fetch(*queries.page(query, self._files.cell))
        items = self._files.decode_all(rows[: query.limit])
        if len(rows) <= query.limit:
            return Page(items)
        return Page(items, Cursor(getattr(items[-1], query.sort.value), items[-1].id))

    async def undigested(self, limit: int, after: str = "") -> tuple[File, ...]:
        rows = await self._runner.fetch(queries.UNDIGESTED, {"limit": limit, "after": after})
        return self._files.decode_all(rows)

    async def upload(self, upload_id: str) -> Upload:
        if (row := await self._runner.find(queries.UPLOAD, {"id": upload_id})) is None:
            raise UploadMissing("there is no such upload")
        return self._uploads.decode(row)

    async def overdue(self, now: datetime, limit: int) -> tuple[Upload, ...]:
        params = {"now": self._uploads.cell("deadline", now), "limit": limit}
        return self._uploads.decode_all(await self._runner.fetch(queries.OVERDUE, params))

    async def upload_of(self, file_id: str) -> Upload | None:
        rows = await self._runner.fetch(queries.UPLOAD_OF, {"file_id": file_id})
        return self._uploads.decode(rows[0]) if rows else None

    async def upload_at(self, bucket: str, address: str) -> Upload | None:
        row = await self._runner.find(queries.UPLOAD_AT, {"bucket": bucket, "address": address})
        return None if row is None else self._uploads.decode(row)

    async def arriving(self, bucket: str, addresses: Sequence[str]) -> tuple[Upload, ...]:
        wanted = [address for address in addresses if self._holds(address)]
        if not wanted:
            return ()
        return self._uploads.decode_all(await self._runner.fetch(*queries.arriving(bucket, wanted)))

    async def addressed(self, bucket: str, addresses: Sequence[str]) -> dict[str, File]:
        wanted = [address for address in addresses if self._holds(address)]
        if not wanted:
            return {}
        files = self._files.decode_all(await self._runner.fetch(*queries.addressed(bucket, wanted)))
        return {file.address: file for file in files if file.address is not None}

    async def bucket(self, name: str) -> Bucket:
        if (row := await self._runner.find(queries.BUCKET, {"name": name})) is None:
            raise BucketMissing("there is no such bucket")
        return self._buckets.decode(row)

    async def buckets(self, owner: str | None = None) -> tuple[Bucket, ...]:
        if owner is None:
            return self._buckets.decode_all(await self._runner.fetch(queries.ALL_BUCKETS, {}))
        return self._buckets.decode_all(await self._runner.fetch(queries.BUCKETS_OF, {"owner": owner}))

    async def bucket_used(self, name: str) -> bool:
        ((used,),) = await self._runner.fetch(queries.BUCKET_USED, {"name": name})
        return bool(used)

    async def doomed_in(self, bucket: str, limit: int) -> tuple[Doomed, ...]:
        return self._doomed.decode_all(await self._runner.fetch(queries.DOOMED_IN, {"bucket": bucket, "limit": limit}))

    async def settling(self, limit: int, after: str = "") -> tuple[Upload, ...]:
        rows = await self._runner.fetch(queries.SETTLING, {"limit": limit, "after": after})
        return self._uploads.decode_all(rows)

    async def ended_uploads(self, before: datetime, limit: int) -> tuple[Upload, ...]:
        params = {"before": self._uploads.cell("ended_at", before), "limit": limit}
        return self._uploads.decode_all(await self._runner.fetch(queries.ENDED, params))

    async def share(self, file_id: str, actor: str) -> Share | None:
        row = await self._runner.find(queries.SHARE, {"file_id": file_id, "actor": actor})
        return None if row is None else self._shares.decode(row)

    async def shares(self, file_id: str) -> tuple[Share, ...]:
        return self._shares.decode_all(await self._runner.fetch(queries.SHARES_OF, {"file_id": file_id}))

    async def link(self, link_id: str) -> Link:
        if (row := await self._runner.find(queries.LINK, {"id": link_id})) is None:
            raise LinkMissing("there is no such link")
        return self._links.decode(row)

    async def linked(self, link_id: str) -> tuple[Link, File]:
        if (row := await self._runner.find(queries.LINKED, {"id": link_id})) is None:
            raise LinkMissing("there is no such link")
        width = len(schema.LINKS.fields)
        return self._links.decode(row[:width]), self._files.decode(row[width:])

    async def links(self, actor: str, limit: int, after: Cursor | None = None) -> Page[Link]:
        params: dict[str, Any] = {"actor": actor, "limit": limit + 1}
        if after is None:
            rows = await self._runner.fetch(queries.LINKS_OF, params)
        else:
            beyond = {"after_value": self._links.cell("created_at", after.value), "after_id": after.id}
            rows = await self._runner.fetch(queries.LINKS_FURTHER, params | beyond)
        items = self._links.decode_all(rows[:limit])
        return Page(items, Cursor(items[-1].created_at, items[-1].id) if len(rows) > limit else None)

    async def old_links(self, before: datetime, limit: int) -> tuple[Link, ...]:
        params = {"before": self._links.cell("expires_at", before), "limit": limit}
        return self._links.decode_all(await self._runner.fetch(queries.OLD_LINKS, params))

    async def profile(self, profile_id: str) -> Profile | None:
        row = await self._runner.find(queries.PROFILE, {"id": profile_id})
        return None if row is None else self._profiles.decode(row)

    async def held(self, bucket: str, after: str, limit: int) -> tuple[Held, ...]:
        rows = await self._runner.fetch(queries.HELD, {"bucket": bucket, "after": after, "limit": limit})
        return tuple(Held(key, size, file_id, lost=bool(lost)) for key, size, file_id, lost in rows)

    async def spoken_for(self, bucket: str, keys: Sequence[str]) -> frozenset[str]:
        wanted = [key for key in keys if self._holds(key)]
        if not wanted:
            return frozenset()
        rows = await self._runner.fetch(*queries.spoken_for(bucket, wanted))
        return frozenset(row[0] for row in rows)

    async def awaits(self, bucket: str, key: str) -> bool:
        return await self._runner.find(queries.AWAITED, {"bucket": bucket, "key": key}) is not None

    async def job(self, job_id: str) -> Job:
        return self._found_job(await self._runner.find(queries.JOB, {"id": job_id}))

    async def job_numbered(self, number: int) -> Job:
        asked = number if 0 < number <= MOST else 0
        return self._found_job(await self._runner.find(queries.JOB_NUMBERED, {"number": asked}))

    def _found_job(self, row: Sequence[Any] | None) -> Job:
        if row is None:
            raise JobMissing("there is no such job")
        return self._jobs.decode(row)

    async def jobs(self, actor: str | None, limit: int, before: int | None = None) -> tuple[Job, ...]:
        params: dict[str, Any] = {"before": MOST if before is None else before, "limit": limit}
        if actor is None:
            return self._jobs.decode_all(await self._runner.fetch(queries.ALL_JOBS, params))
        return self._jobs.decode_all(await self._runner.fetch(queries.JOBS_OF, params | {"actor": actor}))

    async def unended_jobs(self) -> tuple[Job, ...]:
        return self._jobs.decode_all(await self._runner.fetch(queries.UNENDED_JOBS, {}))

    async def steps(self, job: str, limit: int, after: str = "", *, planned: bool = False) -> tuple[Step, ...]:
        query = queries.STEPS_PLANNED if planned else queries.STEPS_OF
        return self._steps.decode_all(await self._runner.fetch(query, {"job": job, "limit": limit, "after": after}))

    async def entries(self, dest: str, limit: int, after: str = "") -> tuple[Entry, ...]:
        params = {"dest": dest, "limit": limit, "after": after}
        return self._entries.decode_all(await self._runner.fetch(queries.ENTRIES_OF, params))

    async def latch(self, name: str) -> Latch | None:
        row = await self._runner.find(queries.LATCH, {"name": name})
        return None if row is None else self._latches.decode(row)

    async def sealed_keys(self, job: str) -> SealedKeys | None:
        row = await self._runner.find(queries.SEALED_KEYS_OF, {"job": job})
        return None if row is None else self._sealed_keys.decode(row)

    async def marks(self, dest: str, every: int, after: str = "") -> tuple[str, ...]:
        rows = await self._runner.fetch(queries.MARKS, {"dest": dest, "every": every, "after": after})
        return tuple(key for (key,) in rows)

    async def compared(self, sync: str, limit: int, after: str = "") -> tuple[Compared, ...]:
        params = {"sync": sync, "limit": limit, "after": after}
        return self._compared.decode_all(await self._runner.fetch(queries.COMPARED_OF, params))

    async def totals(self, now: datetime) -> Totals:
        ((files, size, uploads, reserved, doomed, due),) = await self._runner.fetch(
            queries.TOTALS, {"now": self._doomed.cell("not_before", now)}
        )
        return Totals(files=files, bytes=size, open_uploads=uploads, reserved_bytes=reserved, doomed=doomed, due=due)

    async def key(self, key_id: str) -> Key:
        if (row := await self._runner.find(queries.KEY, {"id": key_id})) is None:
            raise KeyMissing("there is no such key")
        return self._keys.decode(row)

    async def keys(self) -> tuple[Key, ...]:
        return self._keys.decode_all(await self._runner.fetch(queries.LIVE_KEYS, {}))

    async def usage(self, owner: str) -> Usage:
        row = await self._runner.find(queries.USAGE_OF, {"owner": owner})
        return Usage(owner=owner) if row is None else self._usage.decode(row)

    async def idempotency(self, actor: str, key: str) -> Idempotency | None:
        row = await self._runner.find(queries.IDEMPOTENCY_OF, {"actor": actor, "key": key})
        return None if row is None else self._idempotency.decode(row)

    async def old_idempotency(self, before: datetime, limit: int) -> tuple[Idempotency, ...]:
        params = {"before": self._idempotency.cell("created_at", before), "limit": limit}
        return self._idempotency.decode_all(await self._runner.fetch(queries.OLD_IDEMPOTENCY, params))

    async def doomed(self, now: datetime, limit: int) -> tuple[Doomed, ...]:
        params = {"now": self._doomed.cell("not_before", now), "limit": limit}
        return self._doomed.decode_all(await self._runner.fetch(queries.DUE, params))

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        return self._audit.decode_all(await self._runner.fetch(queries.NEWEST_AUDIT, {"limit": limit}))

    async def now(self) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        ((now,),) = await self._runner.fetch(queries.NOW, {})
        assert isinstance(now, datetime)
        return now

    async def term(self, term: str) -> int:
        row = await self._runner.find(queries.TERM, {"term": term})
        return 0 if row is None else int(row[0])

    async def commit(self, *changes: Change) -> None:
        if not changes:
            return
        statements, besides = self._writer.statements(changes), self._besides(changes)
        frees = not any(map(_adds, changes))
        refused = await self._runner.write([*statements, *besides], frees=frees)
        if refused is not None and len(statements) < len(changes):  # one by one it will be seen which it is
            statements = [*map(self._writer.statement, changes)]
            refused = await self._runner.write([*statements, *besides], frees=frees)
        if refused is not None:
            raise _clash(refused, changes[refused])

    def _besides(self, changes: Sequence[Change]) -> Sequence[Statement]:
        """What else is written in the same transaction, by rules of a host's own."""
        return ()

    async def take_over(self, other: SqlCatalogue) -> int:
        """Copy all rows of ``other`` into this empty catalogue, and return how many: see ``copy_rows``."""
        return await copy_rows(other._runner, self._runner)

    async def ping(self) -> None:
        await self._runner.write([Statement(queries.TOUCH)])

    async def close(self) -> None:
        await self._runner.close()


def _adds(change: Change) -> bool:
    """Whether a change adds a row that no removal needs."""
    return isinstance(change, Add) and not isinstance(change.row, Doomed | AuditEntry)


def _clash(index: int, change: Change) -> Clash:
    if isinstance(change, Count | Use | Spend):
        return Clash("the limit would be exceeded", change=index)
    return Clash("somebody else changed this first: read it again and decide again", change=index)
