"""Changes to the catalogue as values: the service thinks first, then hands them over to be committed together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from kist.errors import Clash, WrongState
from kist.model.bucket import Bucket
from kist.model.file import File, FileState
from kist.model.job import Compared, Entry, Job, Step
from kist.model.link import Link
from kist.model.profile import Profile
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Latch, SealedKeys
from kist.model.share import Share
from kist.model.upload import Upload, UploadState

Row: TypeAlias = (
    File
    | Upload
    | Key
    | Doomed
    | Idempotency
    | AuditEntry
    | Share
    | Link
    | Profile
    | Bucket
    | Job
    | Step
    | Entry
    | SealedKeys
    | Latch
    | Compared
)


class Add(msgspec.Struct, frozen=True):
    """A new row. ``Clash`` when its id is taken."""

    row: Row


class Swap(msgspec.Struct, frozen=True):
    """``before`` becomes ``after``: compare-and-set on every field that differs and on the guards of its kind.

    ``Clash`` when the row is gone or one of those fields, or a guard, no longer has the value in ``before``. Raises
    ``WrongState`` at once when the table below forbids the move.
    """

    before: Row
    after: Row

    def __post_init__(self) -> None:
        check_move(self.before, self.after)


class Drop(msgspec.Struct, frozen=True):
    """The row goes. ``Clash`` when it is gone already or a guard of its kind is no longer that of ``row``."""

    row: Row


class Counter(StrEnum):
    """The columns of ``usage``."""

    BYTES = "bytes"
    FILES = "files"
    UPLOADS = "uploads"


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """``owner``'s ``counter`` moves by ``by``; ``Clash`` (about: counter) if it would then exceed ``at_most``."""

    owner: str
    counter: Counter
    by: int
    at_most: int | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """The link with the id ``link`` was used ``times`` more, lastly ``at``.

    ``Clash`` when it is revoked, gone, or would exceed its own ``max_uses``.
    """

    link: str
    at: datetime
    times: int = 1


class Keep(msgspec.Struct, frozen=True):
    """The row as it is now, whether or not there was one before. Never clashes."""

    row: Entry | Compared


class Forget(msgspec.Struct, frozen=True):
    """The entry of a manifest goes, if there is one. Never clashes."""

    dest: str
    key: str


class Clear(msgspec.Struct, frozen=True):
    """The steps of a job go, but for those that were done: by them it can be taken back. Never clashes."""

    job: str


class Discard(msgspec.Struct, frozen=True):
    """The sealed keys of a job go, if it has any. Never clashes."""

    job: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """``holder`` has ``term`` until ``until``. ``Clash`` while another has it.

    ``at`` is the time by the catalogue's clock. Here and below, times are microseconds since 1970.
    """

    term: str
    holder: str
    at: int
    until: int


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """So much of an allowance is used: ``term`` ends ``by`` later than it would, or than ``at`` if it is over.

    ``Clash`` when it would end later than ``at_most``. The end is when the whole allowance is there again.
    """

    term: str
    by: int
    at: int
    at_most: int


class Lapse(msgspec.Struct, frozen=True):
    """The terms that are over ``at`` are forgotten. Never clashes."""

    at: int


CLOCK_SLACK = 60_000_000
"""Microseconds. A term that ends later than any can by more than this was given before the clock was set back."""


def still_counts(until: int, at: int, at_most: int) -> bool:
    """Whether a term that ends at ``until`` is to be respected ``at`` a time when none is given beyond ``at_most``."""
    return at < until <= at_most + CLOCK_SLACK


Change: TypeAlias = Add | Swap | Drop | Count | Use | Keep | Forget | Clear | Discard | Hold | Spend | Lapse

GUARDS: dict[type, tuple[str, ...]] = {
    File: ("state", "key"),
    Upload: ("state", "deadline"),
    Idempotency: ("created_at",),
    Bucket: ("state",),
    Job: ("fence",),
}
"""The fields by which a row is known to be the one that was read, beside its id. The other kinds need none.

A file with another key has other bytes: what was found out about those before is not true of it.
"""

FILE_MOVES: frozenset[tuple[FileState, FileState]] = frozenset(
    {
        (FileState.PENDING, FileState.READY),
        (FileState.READY, FileState.READY),
        (FileState.READY, FileState.REMOVED),
        (FileState.READY, FileState.LOST),
        (FileState.LOST, FileState.READY),
        (FileState.LOST, FileState.REMOVED),
    }
)
UPLOAD_MOVES: frozenset[tuple[UploadState, UploadState]] = frozenset(
    {
        (UploadState.OPEN, UploadState.OPEN),
        (UploadState.OPEN, UploadState.SEALING),
        (UploadState.OPEN, UploadState.REFUSED),
        (UploadState.OPEN, UploadState.ABORTED),
        (UploadState.OPEN, UploadState.EXPIRED),
        (UploadState.SEALING, UploadState.SEALING),
        (UploadState.SEALING, UploadState.OPEN),
        (UploadState.SEALING, UploadState.DONE),
        (UploadState.SEALING, UploadState.REFUSED),
        (UploadState.SEALING, UploadState.EXPIRED),
        # Started over: a new ticket for the same upload.
        (UploadState.DONE, UploadState.OPEN),
        (UploadState.REFUSED, UploadState.OPEN),
        (UploadState.ABORTED, UploadState.OPEN),
        (UploadState.EXPIRED, UploadState.OPEN),
    }
)


def check_move(before: Row, after: Row) -> None:
    """Raise ``WrongState`` unless both are the same row and the state may go from one to the other."""
    if type(before) is not type(after) or row_id(before) != row_id(after):
        raise WrongState("a change must keep the kind and the id of its row")
    if isinstance(before, File) and isinstance(after, File) and (before.state, after.state) not in FILE_MOVES:
        raise WrongState(f"a file cannot go from {before.state} to {after.state}", state=str(before.state))
    if isinstance(before, Upload) and isinstance(after, Upload) and (before.state, after.state) not in UPLOAD_MOVES:
        raise WrongState(f"an upload cannot go from {before.state} to {after.state}", state=str(before.state))


def lost(changes: Sequence[Change], clash: Clash) -> Change | None:
    """Which of ``changes``, handed over together, ``clash`` is about."""
    return None if clash.change is None else changes[clash.change]


def row_id(row: Row) -> tuple[str, ...]:
    """What identifies a row among those of its kind."""
    match row:
        case Idempotency(actor=actor, key=key):
            return (actor, key)
        case Share(file_id=file_id, actor=actor):
            return (file_id, actor)
        case Bucket(name=name):
            return (name,)
        case Step(job=job, key=key):
            return (job, key)
        case Entry(dest=dest, key=key):
            return (dest, key)
        case SealedKeys(job=job):
            return (job,)
        case Latch(name=name):
            return (name,)
        case Compared(sync=sync, key=key):
            return (sync, key)
        case _:
            return (row.id,)
