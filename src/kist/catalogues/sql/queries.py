"""Every question that is asked in SQL. Texts are fixed or joined from fixed pieces; values are named parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kist.catalogues.sql.schema import AUDIT, DOOMED, FILES, IDEMPOTENCY, KEYS, UPLOADS, USAGE
from kist.model.names import fold
from kist.model.query import FileQuery, Sort

# One row by its primary key.
FILE = FILES.select("WHERE id = :id")
UPLOAD = UPLOADS.select("WHERE id = :id")
KEY = KEYS.select("WHERE id = :id")
USAGE_OF = USAGE.select("WHERE owner = :owner")
IDEMPOTENCY_OF = IDEMPOTENCY.select("WHERE actor = :actor AND key = :key")

# Uploads that have not ended in time.
OVERDUE = UPLOADS.select("WHERE state IN ('open', 'sealing') AND deadline < :now ORDER BY deadline, id LIMIT :limit")

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

# A change that changes nothing, to see whether changes are taken.
TOUCH = "UPDATE migrations SET number = number WHERE number = 1"

# Searches for longer texts find nothing: names are far shorter, and databases limit the length of a pattern.
LONGEST_SEARCH = 4096


def page(query: FileQuery, cell: Callable[[str, Any], Any]) -> tuple[str, dict[str, Any]]:
    """The text and parameters that fetch one row more than a page holds. ``cell`` encodes a value for a field."""
    owner = query.owner if query.visible_to is None else query.visible_to
    params: dict[str, Any] = {"owner": owner, "type": query.type, "bucket": query.bucket}
    params = {name: value for name, value in params.items() if value is not None}
    sql = _page(query.sort, query.descending, query.after is not None, bool(query.text), tuple(params))
    params["limit"] = query.limit + 1
    if query.text:
        params["pattern"] = _pattern(query.text)
    if query.after is not None:
        params["after_value"] = cell(query.sort.value, query.after.value)
        params["after_id"] = query.after.id
    return sql, params


def finds_nothing(query: FileQuery) -> bool:
    """Whether the answer is known to be empty without asking: it saves cases that SQL would stumble over."""
    if query.visible_to is not None and query.owner not in (None, query.visible_to):
        return True
    return query.text is not None and ("\0" in query.text or len(query.text) > LONGEST_SEARCH)


@lru_cache(maxsize=512)
def _page(sort: Sort, descending: bool, further: bool, searching: bool, narrowed: tuple[str, ...]) -> str:
    direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
    where = ["state = 'ready'"]
    # The first of the narrowing columns chooses the index; '' is appended to the others so that no planner, lacking
    # statistics, prefers theirs: an owner's files are far fewer than those of a bucket or a type.
    where += [f"{name} = :{name}" for name in narrowed[:1]]
    where += [f"({name} || '') = :{name}" for name in narrowed[1:]]
    if searching:
        where.append(r"folded LIKE :pattern ESCAPE '\'")
    if further:
        where.append(f"({sort.value}, id) {beyond} (:after_value, :after_id)")
    order = f"ORDER BY {sort.value} {direction}, id {direction} LIMIT :limit"
    return FILES.select(" ".join(("WHERE", " AND ".join(where), order)))


def _pattern(text: str) -> str:
    escaped = fold(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
