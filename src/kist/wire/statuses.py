"""The one table from errors to HTTP statuses."""

from __future__ import annotations

from kist import errors
from kist.errors import KistError

_STATUS: dict[type[KistError], int] = {
    errors.NotSignedIn: 401,
    errors.NotAllowed: 403,
    errors.Missing: 404,
    errors.Expired: 410,
    errors.WrongMethod: 405,
    errors.Conflict: 409,
    errors.Unsupported: 409,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.WrongType: 415,
    errors.BadRange: 416,
    errors.Invalid: 422,
    errors.Refused: 400,
    errors.TooMany: 429,
    errors.OverQuota: 507,
    errors.StoreFull: 507,
    errors.Unavailable: 503,
    errors.Stopped: 503,
    errors.KistError: 500,
}

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Expired",
    412: "Out of date",
    413: "Too large",
    415: "Wrong type",
    416: "Range outside the content",
    422: "Invalid",
    429: "Too many requests",
    500: "Server error",
    503: "Try again later",
    507: "No room left",
}

DEFAULT_WAIT = 1


def status_of(error: KistError | type[KistError]) -> int:
    """The status of an error (or of a kind of error): that of its nearest ancestor in the table."""
    kind = error if isinstance(error, type) else type(error)
    return next(_STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in _STATUS)


def retry_after(error: KistError) -> list[tuple[str, str]]:
    """The ``Retry-After`` header where coming back makes sense, in whole seconds, at least one."""
    if not error.retry:
        return []
    after = error.about.get("after")
    seconds = DEFAULT_WAIT if not isinstance(after, int | float) else max(DEFAULT_WAIT, -int(-after // 1))
    return [("retry-after", str(seconds))]


def error_headers(error: KistError) -> list[tuple[str, str]]:
    """The headers that HTTP wants with an error, in every dialect: the host adds those a dialect leaves out."""
    headers = retry_after(error)
    if isinstance(error, errors.NotSignedIn):
        # Never Basic: a browser would ask for it, remember it and send it along with other pages' requests.
        headers.append(("www-authenticate", 'Bearer realm="kist"'))
    if isinstance(error, errors.BadRange) and "size" in error.about:
        headers.append(("content-range", f"bytes */{error.about['size']}"))
    if isinstance(error, errors.WrongMethod):
        headers.append(("allow", str(error.about.get("allowed", ""))))
    return headers
