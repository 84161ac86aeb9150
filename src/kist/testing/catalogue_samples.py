"""Rows for the catalogue contract: ordinary ones with anything changed on demand, and values that are hard to keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from kist.model.actor import Role
from kist.model.bucket import Bucket, BucketState
from kist.model.changes import Row
from kist.model.file import File, FileState, Visibility
from kist.model.job import Act, Compared, Entry, Job, JobState, Progress, Step, StepState, SyncOptions
from kist.model.link import Disposition, Link
from kist.model.profile import Profile
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Latch, SealedKeys
from kist.model.share import Share
from kist.model.upload import Door, Upload, UploadState, Way
from kist.testing.clock import START, FakeIds

TIB = 1 << 40

_ids = FakeIds("catalogue samples")

NAMES = (
    "plain.txt", "a/b/c.txt", "UPPER lower", "100% done_now.txt", "50%", "a_b", "o'brien \"x\".pdf", "semi;colon--",
    "Straße.txt", "ΣΊΣΥΦΟΣ.doc", "e\u0301 decomposed", "\u00e9 composed", "İstanbul", "שלום עולם.txt", "مرحبا.pdf",
    "日本語の名前.png", "한국어", "नमस्ते", "👩\u200d👩\u200d👧 family 😀.jpg", "\U0001f600", "\uffee", "ﬁle ligature",
    "x" * 255, " edges ",
)  # fmt: skip

ODD_IDS = (
    "", " ", "nothing", "0", "-1", "' OR '1'='1", "'; DROP TABLE files; --", "x' UNION SELECT * FROM keys --",
    "%", "_", "\\", '"', "\0", "a\0b", "00000000-0000-4000-8000-000000000000", "😀", "\ud800", "x" * 10_000,
)  # fmt: skip

TIMES = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
)


def at(minutes: float) -> datetime:
    """A time so many minutes after the samples' start."""
    return START + timedelta(minutes=minutes)


def new_id() -> str:
    """An id that no other sample has."""
    return _ids.uuid()


def a_file(**changes: Any) -> File:
    """A ready file of ``ann``, unless ``changes`` say otherwise."""
    plain: dict[str, Any] = {"id": new_id(), "name": "plain.txt", "owner": "ann", "bucket": "base", "key": "k"}
    plain |= {"state": FileState.READY, "created_at": START, "updated_at": START}
    return File(**(plain | changes))


def a_full_file(**changes: Any) -> File:
    """A file with something in every field."""
    full: dict[str, Any] = {"size": 5 * TIB, "type": "image/png", "detected": "image/webp", "sha256": "ab" * 32}
    full |= {"metadata": {"b": "2", "a": "1", "": "é\n"}, "version": 7, "address": "folder/é.png"}
    return a_file(**(full | {"created_at": TIMES[1], "updated_at": TIMES[2]} | changes))


def an_upload(**changes: Any) -> Upload:
    """An open upload of ``ann``, unless ``changes`` say otherwise."""
    plain: dict[str, Any] = {"id": new_id(), "file_id": new_id(), "owner": "ann", "actor": "ann", "door": Door.RAW}
    plain |= {"state": UploadState.OPEN, "bucket": "base", "key": "in", "new": True, "name": "plain.txt"}
    plain |= {"type": "text/plain", "size": None, "sha256": None, "max_size": 5 * TIB, "reserved": 0}
    return Upload(**(plain | {"started_at": START, "deadline": at(60)} | changes))


def a_key(**changes: Any) -> Key:
    """A live key of ``ann``."""
    plain: dict[str, Any] = {"id": new_id(), "actor": "ann", "role": Role.USER, "digest": "cd" * 32}
    return Key(**(plain | {"created_at": START} | changes))


def a_doomed(**changes: Any) -> Doomed:
    """A place to be erased at the samples' start."""
    plain: dict[str, Any] = {"id": new_id(), "bucket": "base", "key": "old", "not_before": START}
    return Doomed(**(plain | changes))


def a_record(**changes: Any) -> Idempotency:
    """An idempotency record without an answer yet."""
    plain: dict[str, Any] = {"actor": "ann", "key": new_id(), "fingerprint": "f", "created_at": START}
    return Idempotency(**(plain | changes))


def an_entry(**changes: Any) -> AuditEntry:
    """An audit entry."""
    plain: dict[str, Any] = {"id": new_id(), "at": START, "actor": "root", "via": None, "action": "remove"}
    return AuditEntry(**(plain | {"thing": "file", "owner": "ann"} | changes))


def a_share(**changes: Any) -> Share:
    """A share that lets ``bob`` read."""
    plain: dict[str, Any] = {"file_id": new_id(), "actor": "bob", "granted_by": "ann", "created_at": START}
    return Share(**(plain | {"read": True} | changes))


def a_link(**changes: Any) -> Link:
    """A link of ``ann``'s for an hour."""
    plain: dict[str, Any] = {"id": new_id(), "file_id": new_id(), "actor": "ann", "admin": False}
    return Link(**(plain | {"created_at": START, "expires_at": at(60)} | changes))


def a_profile(**changes: Any) -> Profile:
    """What a probe found."""
    plain: dict[str, Any] = {"id": new_id(), "bucket": "base", "checked_at": START, "checks": {"clock": "", "b": "no"}}
    return Profile(**(plain | changes))


def a_bucket(**changes: Any) -> Bucket:
    """A bucket of ``ann``'s."""
    plain: dict[str, Any] = {"name": f"bucket-{new_id()}", "owner": "ann", "created_at": START}
    return Bucket(**(plain | changes))


_numbers = iter(range(1, 1 << 40))


def a_job(**changes: Any) -> Job:
    """A job of ``ann``'s that waits."""
    plain: dict[str, Any] = {"id": new_id(), "number": next(_numbers), "actor": "ann", "admin": False}
    plain |= {"source": "/photos", "dest": "mine/photos", "options": SyncOptions(delete=True, include=("*.é",))}
    return Job(**(plain | {"state": JobState.QUEUED, "created_at": START} | changes))


def a_step(**changes: Any) -> Step:
    """A step that is still to do."""
    plain: dict[str, Any] = {"job": new_id(), "key": "a/b.txt", "act": Act.CREATE, "reason": "new", "size": 5}
    return Step(**(plain | changes))


def an_entry_of(dest: str, key: str, **changes: Any) -> Entry:
    """What a sync has put there."""
    plain: dict[str, Any] = {"dest": dest, "key": key, "size": 5, "modified": 1, "etag": "e"}
    return Entry(**(plain | {"job": "j"} | changes))


def a_latch(**changes: Any) -> Latch:
    """A latch that was exchanged once."""
    return Latch(**({"name": new_id(), "stamp": "first"} | changes))


def some_sealed_keys(**changes: Any) -> SealedKeys:
    """Keys of a job, sealed."""
    plain: dict[str, Any] = {"job": new_id(), "sealed": b"\0\xff sealed"}
    return SealedKeys(**(plain | changes))


def a_compared(sync: str, key: str, **changes: Any) -> Compared:
    """Two files that were found the same."""
    return Compared(**({"sync": sync, "key": key, "source": "s", "dest": "d"} | changes))


def one_of_each() -> tuple[Row, ...]:
    """An ordinary row of every kind."""
    first = (a_file(), an_upload(), a_key(), a_doomed(), a_record(), an_entry())
    second = (a_share(), a_link(), a_profile(), a_bucket())
    of_syncs = (a_job(), a_step(), an_entry_of("d", new_id()), some_sealed_keys(), a_compared("s", new_id()), a_latch())
    return (*first, *second, *of_syncs)


def changed(row: Any, **changes: Any) -> Any:
    """The same row with some fields changed."""
    return msgspec.structs.replace(row, **changes)


def another_value(value: Any) -> Any:
    """A value of the same type that differs; for None, a text that fits any nullable text."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case datetime():
            return value + timedelta(microseconds=1)
        case dict():
            return value | {f"{len(value)}": "value"}
        case Progress():
            return changed(value, files=value.files + 1)
        case SyncOptions():
            return changed(value, dry_run=not value.dry_run)
        case Role() | Door() | Way() | Disposition() | Visibility() | BucketState() | JobState() | StepState() | Act():
            return next(member for member in type(value) if member is not value)
        case str():
            return value + "x"
        case _:
            return "something"
