"""Rows. All questions are asked here and all changes are handed over here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from kist.model.bucket import Bucket
from kist.model.changes import Change
from kist.model.file import File
from kist.model.job import Compared, Entry, Job, Step
from kist.model.link import Link
from kist.model.profile import Profile
from kist.model.query import Cursor, FileQuery, Page
from kist.model.rows import AuditEntry, Doomed, Held, Idempotency, Key, Latch, SealedKeys, Totals, Usage
from kist.model.share import Share
from kist.model.upload import Upload


class Catalogue(Protocol):
    """Any method may raise ``CatalogueBusy`` (try again), ``StoreFull`` (a change, on a full disk) or ``Broken``."""

    async def file(self, file_id: str) -> File:
        """The file with this id, in whatever state. ``FileMissing`` when there is none, also for text that is no id."""

    async def some_files(self, file_ids: Sequence[str]) -> dict[str, File]:
        """Those of the files with these ids (at most 1000) that there are, by id, in whatever state."""

    async def files(self, query: FileQuery) -> Page[File]:
        """A page of ready files. Who may see what is part of the query: no row is filtered out afterwards."""

    async def undigested(self, limit: int, after: str = "") -> tuple[File, ...]:
        """Up to ``limit`` ready files without a sha256 whose id is greater than ``after``, by id."""

    async def upload(self, upload_id: str) -> Upload:
        """The upload with this id. ``UploadMissing``."""

    async def overdue(self, now: datetime, limit: int) -> tuple[Upload, ...]:
        """Up to ``limit`` open or sealing uploads whose deadline is before ``now``, oldest deadline first."""

    async def upload_of(self, file_id: str) -> Upload | None:
        """The newest open or sealing upload for this file."""

    async def upload_at(self, bucket: str, address: str) -> Upload | None:
        """The newest upload for this address, in whatever state."""

    async def arriving(self, bucket: str, addresses: Sequence[str]) -> tuple[Upload, ...]:
        """The open or sealing uploads for those of ``addresses`` (at most 1000) that nobody else will complete."""

    async def addressed(self, bucket: str, addresses: Sequence[str]) -> dict[str, File]:
        """The ready files at those of ``addresses`` (at most 1000) that there are, by address."""

    async def bucket(self, name: str) -> Bucket:
        """The bucket with this name, in whatever state. ``BucketMissing`` when none was made here."""

    async def buckets(self, owner: str | None = None) -> tuple[Bucket, ...]:
        """The buckets of ``owner``, or all of them, by name."""

    async def bucket_used(self, name: str) -> bool:
        """Whether a ready or lost file, or an unended upload, is in this bucket."""

    async def doomed_in(self, bucket: str, limit: int) -> tuple[Doomed, ...]:
        """Up to ``limit`` doomed places of ``bucket``, whether or not their time has come, by key."""

    async def settling(self, limit: int, after: str = "") -> tuple[Upload, ...]:
        """Up to ``limit`` open uploads with ``settles`` whose id is greater than ``after``, by id."""

    async def ended_uploads(self, before: datetime, limit: int) -> tuple[Upload, ...]:
        """Up to ``limit`` uploads that ended before ``before``, oldest first."""

    async def share(self, file_id: str, actor: str) -> Share | None:
        """What is granted to ``actor`` on this file, also when it has expired: the caller judges."""

    async def shares(self, file_id: str) -> tuple[Share, ...]:
        """All that is granted on this file, by actor."""

    async def link(self, link_id: str) -> Link:
        """The link with this id, also when expired or revoked: the caller judges. ``LinkMissing``."""

    async def linked(self, link_id: str) -> tuple[Link, File]:
        """That link and its file, in whatever state they are, in one question. ``LinkMissing`` without either."""

    async def links(self, actor: str, limit: int, after: Cursor | None = None) -> Page[Link]:
        """The links that ``actor`` made and that are not revoked, newest first. The cursor's value is a time."""

    async def old_links(self, before: datetime, limit: int) -> tuple[Link, ...]:
        """Up to ``limit`` links that expired before ``before``, oldest first."""

    async def profile(self, profile_id: str) -> Profile | None:
        """What the probe found, if it was made."""

    async def held(self, bucket: str, after: str, limit: int) -> tuple[Held, ...]:
        """Up to ``limit`` objects of ready and lost files in ``bucket`` whose key is greater than ``after``, by key."""

    async def spoken_for(self, bucket: str, keys: Sequence[str]) -> frozenset[str]:
        """Those of ``keys`` (at most 1000) that an unended upload, a ready or lost file or a doomed place names."""

    async def awaits(self, bucket: str, key: str) -> bool:
        """Whether the bytes of an upload that has not ended are to arrive at this key."""

    async def job(self, job_id: str) -> Job:
        """The job with this id. ``JobMissing``."""

    async def job_numbered(self, number: int) -> Job:
        """The job with this number. ``JobMissing``."""

    async def jobs(self, actor: str | None, limit: int, before: int | None = None) -> tuple[Job, ...]:
        """Up to ``limit`` jobs of ``actor``, or of all, with a number less than ``before``, newest first."""

    async def unended_jobs(self) -> tuple[Job, ...]:
        """The jobs that have not ended, oldest first."""

    async def steps(self, job: str, limit: int, after: str = "", *, planned: bool = False) -> tuple[Step, ...]:
        """Up to ``limit`` steps of a job whose key is greater than ``after``, by key. ``planned``: those to do."""

    async def entries(self, dest: str, limit: int, after: str = "") -> tuple[Entry, ...]:
        """Up to ``limit`` entries of a destination's manifest whose key is greater than ``after``, by key."""

    async def latch(self, name: str) -> Latch | None:
        """The latch of that name; None where it was never exchanged."""

    async def sealed_keys(self, job: str) -> SealedKeys | None:
        """The keys that a job was given, as they were sealed; None once it has ended, or where it was given none."""

    async def marks(self, dest: str, every: int, after: str = "") -> tuple[str, ...]:
        """Every ``every``-th key of a destination's manifest, of those greater than ``after``, in order."""

    async def compared(self, sync: str, limit: int, after: str = "") -> tuple[Compared, ...]:
        """Up to ``limit`` files that a sync has compared whose key is greater than ``after``, by key."""

    async def totals(self, now: datetime) -> Totals:
        """How much there is of what waits, for those who watch."""

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

    async def now(self) -> datetime:
        """The time by the clock that all who share this catalogue go by. Leases and terms are measured with it."""

    async def term(self, term: str) -> int:
        """When this term ends, in microseconds since 1970; 0 when there is none."""

    async def commit(self, *changes: Change) -> None:
        """All of ``changes`` or none, durable before returning; terms alone may be lost in a crash.

        ``Clash`` when an ``Add`` finds its id taken, a ``Swap`` or ``Drop`` finds another row than it was told, or a
        ``Count`` would pass its limit; its ``change`` says which one. Nothing is then changed.
        ``Use``, ``Hold`` and ``Spend`` clash as they say. Also when a second ready file would have the same ``address``
        in one bucket.
        ``Invalid`` for a value that cannot be stored (a lone surrogate, a number of 2^63 or more).
        A call that is cancelled while it waits may or may not have been committed.
        """

    async def ping(self) -> None:
        """Return when the catalogue can answer and take a small change; raise what a request would meet otherwise."""

    async def close(self) -> None:
        """Finish changes under way and free what is held. The catalogue is not used afterwards."""
