"""The catalogue over any SQL database: rows in, rows out, all SQL from this package, all driving from a runner."""

from __future__ import annotations

from datetime import datetime

from kist.catalogues.sql import queries, schema
from kist.catalogues.sql.runner import Runner
from kist.catalogues.sql.schema import RowCodec
from kist.catalogues.sql.statements import Statement, Writer
from kist.errors import Clash, FileMissing, KeyMissing, UploadMissing
from kist.model.changes import Add, Change, Count
from kist.model.file import File
from kist.model.query import Cursor, FileQuery, Page
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Usage
from kist.model.upload import Upload


class SqlCatalogue:
    """See ``kist.ports.catalogue.Catalogue`` for what each method promises."""

    def __init__(self, runner: Runner) -> None:
        codec = runner.codec
        self._runner = runner
        self._writer = Writer(codec)
        self._files = RowCodec(schema.FILES, codec)
        self._uploads = RowCodec(schema.UPLOADS, codec)
        self._keys = RowCodec(schema.KEYS, codec)
        self._usage = RowCodec(schema.USAGE, codec)
        self._doomed = RowCodec(schema.DOOMED, codec)
        self._idempotency = RowCodec(schema.IDEMPOTENCY, codec)
        self._audit = RowCodec(schema.AUDIT, codec)

    async def file(self, file_id: str) -> File:
        if (row := await self._runner.find(queries.FILE, {"id": file_id})) is None:
            raise FileMissing("there is no such file")
        return self._files.decode(row)

    async def files(self, query: FileQuery) -> Page[File]:
        if queries.finds_nothing(query):
            return Page(())
        rows = await self._runner.fetch(*queries.page(query, self._files.cell))
        items = self._files.decode_all(rows[: query.limit])
        if len(rows) <= query.limit:
            return Page(items)
        return Page(items, Cursor(getattr(items[-1], query.sort.value), items[-1].id))

    async def upload(self, upload_id: str) -> Upload:
        if (row := await self._runner.find(queries.UPLOAD, {"id": upload_id})) is None:
            raise UploadMissing("there is no such upload")
        return self._uploads.decode(row)

    async def overdue(self, now: datetime, limit: int) -> tuple[Upload, ...]:
        params = {"now": self._uploads.cell("deadline", now), "limit": limit}
        return self._uploads.decode_all(await self._runner.fetch(queries.OVERDUE, params))

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

    async def commit(self, *changes: Change) -> None:
        if not changes:
            return
        statements = [self._writer.statement(change) for change in changes]
        refused = await self._runner.write(statements, frees=not any(map(_adds, changes)))
        if refused is not None:
            raise _clash(refused, changes[refused])

    async def ping(self) -> None:
        await self._runner.write([Statement(queries.TOUCH)])

    async def close(self) -> None:
        await self._runner.close()


def _adds(change: Change) -> bool:
    """Whether a change adds a row that no removal needs."""
    return isinstance(change, Add) and not isinstance(change.row, Doomed | AuditEntry)


def _clash(index: int, change: Change) -> Clash:
    if isinstance(change, Count):
        return Clash("the limit would be exceeded", change=index)
    return Clash("somebody else changed this first: read it again and decide again", change=index)
