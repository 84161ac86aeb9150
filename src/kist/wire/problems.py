"""Errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from typing import Any

from kist.errors import KistError
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.statuses import TITLES, error_headers, status_of

PROBLEM_JSON = "application/problem+json"
_OWN = frozenset({"type", "title", "status", "code", "detail"})


def problem(error: KistError, call: Call) -> Reply:
    """``{type, title, status, code, detail}`` and the error's facts beside them."""
    status = status_of(error)
    return Reply.json(as_problem(error), status, error_headers(error), type=PROBLEM_JSON)


def as_problem(error: KistError) -> dict[str, Any]:
    """The body of a problem, for answers that hold several."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "code": error.code,
        "detail": error.message,
    }
    body.update((name, fact) for name, fact in error.about.items() if name not in _OWN)
    return body
