"""What an exit code says, whichever command leaves with it."""

from __future__ import annotations

from kist.errors import Broken, KistError, Stopped, Unavailable

DONE = 0
REFUSED = 2
NEEDS_CONFIRMATION = 3
PARTLY_DONE = 4
BROKEN = 70
TRY_LATER = 75
STOPPED = 130

_CODES: tuple[tuple[type[KistError], int], ...] = ((Unavailable, TRY_LATER), (Broken, BROKEN), (Stopped, STOPPED))


def code_of(error: Exception) -> int:
    """The exit code for an error that ended a command, or kept it from doing a part of its work."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), REFUSED)
