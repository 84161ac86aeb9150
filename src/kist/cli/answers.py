"""What a server's refusals mean: back from HTTP to the errors of Kist."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kist import errors
from kist.errors import KistError


class Problem(msgspec.Struct):
    """The fields of ``application/problem+json`` that are of use."""

    code: str = ""
    detail: str = ""


_KINDS = errors.kinds()
_BY_STATUS: dict[int, type[KistError]] = {
    401: errors.NotSignedIn,
    403: errors.NotAllowed,
    404: errors.Missing,
    413: errors.TooLarge,
    429: errors.TooMany,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
    507: errors.StoreFull,
}


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, keyed: bool) -> KistError:
    """The error for an answer that is no success. ``keyed``: whether a key was sent."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = Problem()
    if 300 <= status < 400:
        return errors.Invalid(f"the server sends us on to {headers.get('location', '')[:200]}: use that as --server")
    fallback = errors.Broken if status >= 500 else errors.Refused
    kind = _KINDS.get(problem.code) or _BY_STATUS.get(status, fallback)
    message = problem.detail or f"the server answered {status} without a reason"
    if kind is errors.NotSignedIn:
        message += " (the key in KIST_KEY)" if keyed else " (put it into KIST_KEY)"
    return kind(message, **_facts(headers))


def _facts(headers: Mapping[str, str]) -> dict[str, object]:
    after = headers.get("retry-after", "")
    return {"after": int(after)} if after.isascii() and after.isdigit() else {}
