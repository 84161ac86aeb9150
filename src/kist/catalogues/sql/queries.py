"""Every question that is asked in SQL. Texts are fixed or joined from fixed pieces; values are named parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from kist.catalogues.sql.schema import (
    AUDIT,
    BUCKETS,
    COMPARED,
    DOOMED,
    ENTRIES,
    FILES,
    IDEMPOTENCY,
    JOBS,
    KEYS,
    LATCHES,
    LINKS,
    PROFILES,
    SEALED_KEYS,
    SHARES,
    STEPS,
    UPLOADS,
    USAGE,
)
from kist.model.names import fold
from kist.model.query import FileQuery, Sort

# One row by its primary key.
FILE = FILES.select("WHERE id = :id")
UPLOAD = UPLOADS.select("WHERE id = :id")
KEY = KEYS.select("WHERE id = :id")
USAGE_OF = USAGE.select("WHERE owner = :owner")
IDEMPOTENCY_OF = IDEMPOTENCY.select("WHERE actor = :actor AND key = :key")
SHARE = SHARES.select("WHERE file_id = :file_id AND actor = :actor")
LINK = LINKS.select("WHERE id = :id")
LINKED = " ".join(
    (
        "SELECT",
        LINKS.qualified(),
        ",",
        FILES.qualified(),
        "FROM links JOIN files ON files.id = file_id WHERE links.id = :id",
    )
)
PROFILE = PROFILES.select("WHERE id = :id")
BUCKET = BUCKETS.select("WHERE name = :name")

# Uploads that have not ended in time.
OVERDUE = UPLOADS.select("WHERE state IN ('open', 'sealing') AND deadline < :now ORDER BY deadline, id LIMIT :limit")

# Files whose bytes nobody has hashed.
UNDIGESTED = FILES.select("WHERE state = 'ready' AND sha256 IS NULL AND id > :after ORDER BY id LIMIT :limit")

# What the door asks before it takes bytes in.
AWAITED = "SELECT 1 FROM uploads WHERE bucket = :bucket AND key = :key AND state IN ('open', 'sealing')"

# Uploads that are still to be completed, and those that nobody will complete.
UPLOAD_OF = UPLOADS.select("WHERE file_id = :file_id AND state IN ('open', 'sealing') ORDER BY started_at DESC LIMIT 1")
UPLOAD_AT = UPLOADS.select("WHERE bucket = :bucket AND address = :address ORDER BY started_at DESC LIMIT 1")
SETTLING = UPLOADS.select("WHERE settles AND state = 'open' AND id > :after ORDER BY id LIMIT :limit")

# Uploads that may be forgotten.
ENDED = UPLOADS.select("WHERE ended_at IS NOT NULL AND ended_at < :before ORDER BY ended_at, id LIMIT :limit")

# Buckets, and what keeps one from being removed.
ALL_BUCKETS = BUCKETS.select("ORDER BY name")
BUCKETS_OF = BUCKETS.select("WHERE owner = :owner ORDER BY name")
BUCKET_USED = """
    SELECT EXISTS (SELECT 1 FROM files WHERE bucket = :name AND state IN ('ready', 'lost'))
        OR EXISTS (SELECT 1 FROM uploads WHERE bucket = :name AND state IN ('open', 'sealing'))
"""
DOOMED_IN = DOOMED.select("WHERE bucket = :bucket ORDER BY key, id LIMIT :limit")

# Jobs, what they are to do, and what was done before.
JOB = JOBS.select("WHERE id = :id")
JOB_NUMBERED = JOBS.select("WHERE number = :number")
ALL_JOBS = JOBS.select("WHERE number < :before ORDER BY number DESC LIMIT :limit")
JOBS_OF = JOBS.select("WHERE actor = :actor AND number < :before ORDER BY number DESC LIMIT :limit")
UNENDED_JOBS = JOBS.select("WHERE ended_at IS NULL ORDER BY number")
STEPS_OF = STEPS.select("WHERE job = :job AND key > :after ORDER BY key LIMIT :limit")
STEPS_PLANNED = STEPS.select("WHERE job = :job AND key > :after AND state = 'planned' ORDER BY key LIMIT :limit")
LATCH = LATCHES.select("WHERE name = :name")
SEALED_KEYS_OF = SEALED_KEYS.select("WHERE job = :job")
ENTRIES_OF = ENTRIES.select("WHERE dest = :dest AND key > :after ORDER BY key LIMIT :limit")
MARKS = """
    SELECT key FROM (SELECT key, ROW_NUMBER() OVER (ORDER BY key) AS number FROM entries
                     WHERE dest = :dest AND key > :after) AS numbered
    WHERE number % :every = 0 ORDER BY key
"""
COMPARED_OF = COMPARED.select("WHERE sync = :sync AND key > :after ORDER BY key LIMIT :limit")

# Who may read what else.
SHARES_OF = SHARES.select("WHERE file_id = :file_id ORDER BY actor")
LINKS_OF = LINKS.select("WHERE actor = :actor AND revoked_at IS NULL ORDER BY created_at DESC, id DESC LIMIT :limit")
LINKS_FURTHER = LINKS.select(
    "WHERE actor = :actor AND revoked_at IS NULL AND (created_at, id) < (:after_value, :after_id) "
    "ORDER BY created_at DESC, id DESC LIMIT :limit"
)
OLD_LINKS = LINKS.select("WHERE expires_at < :before ORDER BY expires_at, id LIMIT :limit")

# What the audit compares with the store.
HELD = (
    "SELECT key, size, id, state = 'lost' FROM files WHERE bucket = :bucket AND key > :after "
    "AND state IN ('ready', 'lost') ORDER BY key LIMIT :limit"
)
TOTALS = """
    SELECT (SELECT COALESCE(SUM(files), 0) FROM usage), (SELECT COALESCE(SUM(bytes), 0) FROM usage),
           (SELECT COUNT(*) FROM uploads WHERE state IN ('open', 'sealing')),
           (SELECT COALESCE(SUM(reserved), 0) FROM uploads WHERE state IN ('open', 'sealing')),
           (SELECT COUNT(*) FROM doomed), (SELECT COUNT(*) FROM doomed WHERE not_before <= :now)
"""

# Keys that may still be in use.
LIVE_KEYS = KEYS.select("WHERE revoked_at IS NULL ORDER BY created_at, id")

# Answers that need not be remembered any longer.
OLD_IDEMPOTENCY = IDEMPOTENCY.select(
    "WHERE answer IS NOT NULL AND created_at < :before ORDER BY created_at, actor, key LIMIT :limit"
)

# Places whose bytes may be erased now.
DUE = DOOMED.select("WHERE not_before <= :now ORDER BY not_before, id LIMIT :limit")

# What admins did lately.
NEWEST_AUDIT = AUDIT.select("ORDER BY at DESC, id DESC LIMIT :limit")

TERM = "SELECT until FROM terms WHERE id = :term"

# The time by the database's own clock.
NOW = "SELECT clock_timestamp()"

# A change that changes nothing, to see whether changes are taken.
TOUCH = "UPDATE migrations SET number = number WHERE number = 1"

# Searches for longer texts find nothing: names are far shorter, and databases limit the length of a pattern.
LONGEST_SEARCH = 4096


def page(query: FileQuery, cell: Callable[[str, Any], Any]) -> tuple[str, dict[str, Any]]:
    """The text and parameters that fetch one row more than a page holds. ``cell`` encodes a value for a field."""
    sees_all = query.visible_to is None or query.shared_with is not None
    owner = query.owner if sees_all else query.visible_to
    params: dict[str, Any] = {"owner": owner, "name": query.name, "type": query.type, "bucket": query.bucket}
    params = {name: value for name, value in params.items() if value is not None}
    narrowed = tuple(params)
    shared = query.shared_with is not None
    sql = _page(query.sort, query.descending, query.after is not None, bool(query.text), shared, narrowed)
    if shared:
        params["shared_with"] = query.shared_with
        params["now"] = cell("created_at", query.now)
    params["limit"] = query.limit + 1
    if query.text:
        params["pattern"] = _pattern(query.text)
    if query.after is not None:
        params["after_value"] = cell(query.sort.value, query.after.value)
        params["after_id"] = query.after.id
    return sql, params


_MOST_KEYS = (1, 10, 100, 1000)


def spoken_for(bucket: str, keys: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The text and parameters that find those of ``keys`` which a row names. Few texts, whatever their number."""
    room, params = _many(keys)
    return _spoken_for(room), params | {"bucket": bucket}


def addressed(bucket: str, addresses: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The text and parameters that find the ready files at these addresses. Few texts, whatever their number."""
    room, params = _many(addresses)
    return _addressed(room), params | {"bucket": bucket}


def arriving(bucket: str, addresses: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The text and parameters that find the uploads which Kist itself completes at these addresses."""
    room, params = _many(addresses)
    return _arriving(room), params | {"bucket": bucket}


def some_files(file_ids: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The text and parameters that find the files with these ids. Few texts, whatever their number."""
    room, params = _many(file_ids)
    return _some_files(room), params


def _many(keys: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """How many parameters a text with room for ``keys`` has, and their values; the last fills what is left over."""
    room = next(size for size in _MOST_KEYS if size >= len(keys))
    return room, dict(zip(_names(room), chain(keys, repeat(keys[-1])), strict=False))


@lru_cache(maxsize=len(_MOST_KEYS))
def _names(room: int) -> tuple[str, ...]:
    return tuple(f"key{at}" for at in range(room))


@lru_cache(maxsize=len(_MOST_KEYS))
def _some_files(room: int) -> str:
    return FILES.select(" ".join(("WHERE id IN (", ", ".join(f":{name}" for name in _names(room)), ")")))


@lru_cache(maxsize=len(_MOST_KEYS))
def _addressed(room: int) -> str:
    wanted = ", ".join(f":{name}" for name in _names(room))
    return FILES.select(" ".join(("WHERE bucket = :bucket AND state = 'ready' AND address IN (", wanted, ")")))


@lru_cache(maxsize=len(_MOST_KEYS))
def _arriving(room: int) -> str:
    wanted = ", ".join(f":{name}" for name in _names(room))
    which = ("WHERE bucket = :bucket AND address IN (", wanted, ") AND settles AND state IN ('open', 'sealing')")
    return UPLOADS.select(" ".join(which))


@lru_cache(maxsize=len(_MOST_KEYS))
def _spoken_for(room: int) -> str:
    keys = ", ".join(f":{name}" for name in _names(room))
    return " UNION ".join(  # of fixed words and parameter names alone
        " ".join(("SELECT", column, "FROM", table, "WHERE bucket = :bucket AND", column, "IN (", keys, ")", states))
        for table, column, states in (
            ("files", "key", " AND state IN ('ready', 'lost')"),
            ("uploads", "key", " AND state IN ('open', 'sealing')"),
            ("uploads", "target", " AND state = 'sealing'"),
            ("doomed", "key", ""),
        )
    )


def finds_nothing(query: FileQuery) -> bool:
    """Whether the answer is known to be empty without asking: it saves cases that SQL would stumble over."""
    sees_all = query.visible_to is None or query.shared_with is not None
    if not sees_all and query.owner not in (None, query.visible_to):
        return True
    return query.text is not None and ("\0" in query.text or len(query.text) > LONGEST_SEARCH)


@lru_cache(maxsize=512)
def _page(sort: Sort, descending: bool, further: bool, searching: bool, shared: bool, narrowed: tuple[str, ...]) -> str:
    direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
    where = ["state = 'ready'"]
    if shared:
        where.append(_SHARED)
    # The first of the narrowing columns chooses the index; '' is appended to the others so that no planner, lacking
    # statistics, prefers theirs: an owner's files are far fewer than those of a bucket or a type. Of one name there
    # are fewer still.
    first = 0 if shared else 1
    plain = {*narrowed[:first], "name"}
    where += [f"{name} = :{name}" if name in plain else f"({name} || '') = :{name}" for name in narrowed]
    if searching:
        where.append(r"folded LIKE :pattern ESCAPE '\'")
    if further:
        where.append(f"({sort.value}, id) {beyond} (:after_value, :after_id)")
    order = f"ORDER BY {sort.value} {direction}, id {direction} LIMIT :limit"
    return FILES.select(" ".join(("WHERE", " AND ".join(where), order)))


# From the few that are shared to their rows, and then sorted: what is shared with one actor is little beside the rest.
_SHARED = """
    id IN (SELECT file_id FROM shares WHERE actor = :shared_with AND read AND (expires_at IS NULL OR expires_at > :now))
"""


def _pattern(text: str) -> str:
    escaped = fold(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
