"""What the errors of Django's connections mean to Kist."""

from __future__ import annotations

import sqlite3

from django.db import DataError, Error, InterfaceError, OperationalError

from kist.catalogues.sqlite import connection as sqlite
from kist.errors import Broken, CatalogueBusy, Invalid, KistError, Misconfigured, StoreFull

Failure = (Error, UnicodeEncodeError, OverflowError, ValueError)
"""Everything that running SQL may raise."""

# SQLSTATE classes and codes: PostgreSQL, Appendix A.
_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25006")
_ROLLED_BACK = ("40",)
_BUSY = (*_ROLLED_BACK, "55P03", "57014", "53200", "53300")
_REFUSED = ("28", "3D000", "3F000", "42501")
_NOT_TO_BE_HELD = ("22", "54")
_FULL = ("53100",)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or there was none to be had."""
    if isinstance(error.__cause__, sqlite3.Error) or not isinstance(error, Error):
        return False
    state = _state(error)
    if state is None:  # the driver itself has noticed
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith(_LOST)


def is_rolled_back(error: Error) -> bool:
    """Whether the server has taken the transaction back by no fault of its own."""
    return (_state(error) or "").startswith(_ROLLED_BACK)


def translate(error: BaseException) -> KistError:
    """What an error means to Kist. Foreign text goes along only where an operator has to read it."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error) and not isinstance(error, DataError):
        return sqlite.translate(cause)
    state = _state(error) or ""
    if not isinstance(error, Error) or isinstance(error, DataError) or state.startswith(_NOT_TO_BE_HELD):
        return Invalid("a value cannot be stored: text must be Unicode without NUL, numbers below 2^63")
    if state.startswith(_FULL):
        return StoreFull("the disk that holds the database is full: make room there")
    if state.startswith(_REFUSED):
        return Misconfigured(f"DATABASES: the database refuses: {error}", settings="KIST_DATABASE")
    if is_lost(error):
        return CatalogueBusy("the database cannot be reached right now: try again", after=1)
    if state.startswith(_BUSY):
        return CatalogueBusy("the database is busy with other changes: try again", after=1)
    return Broken(f"the database failed ({state or type(error).__name__}): its log says more")


def _state(error: BaseException) -> str | None:
    """The SQLSTATE, None where the server has not said one."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return str(state) if state else None
