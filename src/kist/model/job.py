"""Long work with a row: who asked for it, how far it is, and what has to happen next."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class JobState(StrEnum):
    QUEUED = "queued"
    PLANNING = "planning"
    NEEDS_CONFIRMATION = "needs_confirmation"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_ERRORS = "succeeded_with_errors"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in _ENDED

    @property
    def wants_worker(self) -> bool:
        """Whether a worker has to do something about a job in this state."""
        return self in (JobState.QUEUED, JobState.PLANNING, JobState.RUNNING, JobState.CANCELLING)


_ENDED = (JobState.CANCELLED, JobState.SUCCEEDED, JobState.SUCCEEDED_WITH_ERRORS, JobState.FAILED)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is. ``files`` and ``bytes`` are done, out of ``…_total``; ``rate`` in bytes a second."""

    files: int = 0
    files_total: int = 0
    bytes: int = 0
    bytes_total: int = 0
    deleted: int = 0
    deleted_total: int = 0
    unchanged: int = 0
    errors: int = 0
    current: str = ""
    rate: float = 0.0

    @property
    def percent(self) -> int:
        """Of the operations, rounded down, 100 only when all are done."""
        total = self.files_total + self.deleted_total
        return (self.files + self.deleted + self.errors) * 100 // total if total else 0


class Compare(StrEnum):
    """What tells a changed file: size and time, the bytes, or the bytes where size and time say that it has changed."""

    TIME = "time"
    CHECKSUM = "checksum"
    BOTH = "both"


class SyncOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to bring two sides in step.

    ``delete``: remove what the source has no more, of what a sync put there. ``dry_run``: end with the plan.
    ``include`` and ``exclude`` are patterns of keys; what is excluded is neither sent nor deleted. ``max_delete``:
    more deletions than that, or than a tenth of at least 20 files, wait for somebody's confirmation. ``immutable``:
    nothing is overwritten. ``rate``: bytes a second at most. ``at_once``: operations at a time, None for as many as
    the storage bears. ``wait``: seconds to sleep before each operation, one at a time. ``undo_of``: the id of a job
    whose work is to be taken back; source and destination are then those of that job. ``beneath``: the folder that
    the source, below it, must not lead out of by a link, whatever changes on the way. ``remove_bucket``: where the
    source is missing or empty, its bucket is removed, if everything in it was put there by syncs. ``make_bucket``:
    a destination's bucket on another server is made where it is absent.
    """

    delete: bool = False
    dry_run: bool = False
    compare: Compare = Compare.TIME
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_delete: int = 100
    immutable: bool = False
    rate: int | None = None
    at_once: int | None = None
    wait: float = 0
    undo_of: str | None = None
    beneath: str | None = None
    remove_bucket: bool = False
    make_bucket: bool = False


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the catalogue holds it.

    ``number`` counts from 1, for people and for the oldest contract. ``source`` and ``dest`` are as ``kist.model.ends``
    writes them. ``admin``: whether ``actor`` asked as one. ``fence`` counts the claims: whoever holds an older one
    writes nothing any more. ``lease_until``: how long ``worker`` may show no sign of life. ``plan``: the digest of what
    is to be done, once that is known; ``confirmed``: the digest that somebody has said yes to. ``resumed``: whether an
    earlier claim broke off while it was at work.
    """

    id: str
    number: int
    actor: str
    admin: bool
    source: str
    dest: str
    options: SyncOptions
    state: JobState
    created_at: datetime
    reason: str = ""
    progress: Progress = Progress()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    fence: int = 0
    plan: str | None = None
    confirmed: str | None = None
    resumed: bool = False


class Act(StrEnum):
    """What a plan does to one key of the destination. ``restore``: bring back what an earlier job put aside."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    RESTORE = "restore"
    NOTE = "note"


class StepState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    FAILED = "failed"
    PASSED = "passed"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a plan, and what became of it.

    ``reason``: why it is to be done, or in a note why nothing is. ``size``, ``modified`` (nanoseconds) and ``source``
    (its etag) are the source's, of a deletion the destination's, of what is restored that which was
    put aside. ``before`` and ``after``: the destination's etag.
    ``parts_id``: of the multipart upload that is under way for it. ``error``: what went wrong.
    """

    job: str
    key: str
    act: Act
    reason: str
    size: int = 0
    modified: int = 0
    source: str = ""
    before: str | None = None
    after: str | None = None
    state: StepState = StepState.PLANNED
    parts_id: str | None = None
    error: str | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two files whose bytes were compared, and were the same.

    ``sync`` names the two sides, ``key`` the file; ``source`` and ``dest`` are the prints that it had there then.
    """

    sync: str
    key: str
    source: str
    dest: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync has put at ``key`` of the destination ``dest``: the manifest by which it knows its own.

    ``modified`` is the source's time in nanoseconds, ``etag`` what the destination called it then. ``job``: the
    one that did it last.
    """

    dest: str
    key: str
    size: int
    modified: int
    etag: str
    job: str
