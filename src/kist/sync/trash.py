"""Where a job puts aside what it replaces or deletes, so that it can be brought back; and what no sync may touch."""

from __future__ import annotations

import hashlib

from kist.errors import BadName
from kist.model.place import RESERVED, TRASH, check_key

_LONGEST = 900
"""Bytes of a key that leave room for what stands before it in the trash."""


def trash_of(job: str, key: str) -> str:
    """The key at which ``job`` keeps what lay at ``key``."""
    if len(key.encode()) > _LONGEST:
        return f"{TRASH}{job}~/{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{TRASH}{job}/{key}"


def job_of(key: str) -> str:
    """The job that keeps something at ``key`` of the trash."""
    return key.removeprefix(TRASH).partition("/")[0].partition("~")[0].partition(".")[0]


def is_reserved(key: str) -> bool:
    """Whether a key is Kist's own at the top of a bucket or of a folder."""
    return key.startswith(RESERVED) or key == RESERVED[:-1]


def check_synced(key: str) -> None:
    """``BadName`` unless a sync may write and remove at ``key``, whoever listed it."""
    check_key(key)
    if is_reserved(key):
        raise BadName("what begins with .kist/ is Kist's own: no sync goes there")
