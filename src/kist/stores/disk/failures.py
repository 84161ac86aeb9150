"""What the operating system's errors mean for a caller. Paths stay in the cause: the message may be shown."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kist.errors import KistError, StoreFull, StoreRefused, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EIO,
        errno.ENXIO,
        errno.ENODEV,
        errno.EXDEV,
        errno.ELOOP,
        errno.ENOTDIR,
    }
)


def translated(work: Callable[P, T]) -> Callable[P, T]:
    """Let ``work`` raise errors of Kist where the operating system raised its own."""

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except OSError as error:
            raise meaning(error) from error

    return run


def meaning(error: OSError) -> KistError:
    """The error of Kist that says what ``error`` means."""
    said = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return StoreFull(f"the disk of the store has no room left ({said})")
    if error.errno in _REFUSED:
        return StoreRefused(f"the disk of the store refused: {said}")
    return StoreUnavailable(f"the disk of the store did not answer as it should: {said}")
