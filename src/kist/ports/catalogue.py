"""Rows. All questions are asked here and all changes are handed over here."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from kist.model.changes import Change
from kist.model.file import File
from kist.model.query import FileQuery, Page
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Usage
from kist.model.upload import Upload


class Catalogue(Protocol):
    """Any method may raise ``CatalogueBusy`` (try again), ``StoreFull`` (a change, on a full disk) or ``Broken``."""

    async def file(self, file_id: str) -> File:
        """The file with this id, in whatever state. ``FileMissing`` when there is none, also for text that is no id."""

    async def files(self, query: FileQuery) -> Page[File]:
        """A page of ready files. Who may see what is part of the query: no row is filtered out afterwards."""

    async def upload(self, upload_id: str) -> Upload:
        """The upload with this id. ``UploadMissing``."""

    async def overdue(self, now: datetime, limit: int) -> tuple[Upload, ...]:
        """Up to ``limit`` open or sealing uploads whose deadline is before ``now``, oldest deadline first."""

    async def key(self, key_id: str) -> Key:
        """The key with this id, also when expired or revoked: the caller judges. ``KeyMissing``."""

    async def keys(self) -> tuple[Key, ...]:
        """All keys that are not revoked, oldest first."""

    async def usage(self, owner: str) -> Usage:
        """What an owner holds; zeros for one never seen."""

    async def idempotency(self, actor: str, key: str) -> Idempotency | None:
        """The record of this actor's idempotency key, if there is one."""

    async def old_idempotency(self, before: datetime, limit: int) -> tuple[Idempotency, ...]:
        """Up to ``limit`` finished records (with an answer) made before ``before``, oldest first."""

    async def doomed(self, now: datetime, limit: int) -> tuple[Doomed, ...]:
        """Up to ``limit`` doomed places whose ``not_before`` has come, oldest first."""

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        """The newest ``limit`` audit entries, newest first."""

    async def commit(self, *changes: Change) -> None:
        """All of ``changes`` or none, durable before returning.

        ``Clash`` when an ``Add`` finds its id taken, a ``Swap`` or ``Drop`` finds another row than it was told, or a
        ``Count`` would pass its limit; its ``change`` says which one. Nothing is then changed.
        Also when a second ready file would have the same ``address`` in one bucket. ``Invalid`` for a value that
        cannot be stored (a lone surrogate, a number of 2^63 or more).
        A call that is cancelled while it waits may or may not have been committed.
        """

    async def ping(self) -> None:
        """Return when the catalogue can answer and take a small change; raise what a request would meet otherwise."""

    async def close(self) -> None:
        """Finish changes under way and free what is held. The catalogue is not used afterwards."""
