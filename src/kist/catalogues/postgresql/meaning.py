"""What the errors of PostgreSQL and of its driver mean to Kist."""

from __future__ import annotations

import asyncpg

from kist.errors import Broken, CatalogueBusy, Invalid, KistError, Misconfigured, StoreFull

LOST = (
    OSError,
    EOFError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.InternalClientError,  # the server said goodbye to an idle connection, which the driver stumbles over
    asyncpg.ReadOnlySQLTransactionError,  # a server that has become a standby: another one is the primary now
)
"""The connection is of no use any longer, or there is none to be had. (``TimeoutError`` is an ``OSError``.)"""

ROLLED_BACK = (asyncpg.TransactionRollbackError, asyncpg.InvalidCachedStatementError)
"""The server has taken the transaction back, by no fault of its own: the same may succeed the next time."""

_BUSY = (
    *LOST,
    *ROLLED_BACK,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OutOfMemoryError,
)
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
)
_NOT_TO_BE_HELD = (UnicodeEncodeError, asyncpg.DataError, asyncpg.ProgramLimitExceededError)

Failure = (
    OSError,
    EOFError,
    UnicodeEncodeError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Everything that running SQL may raise."""


class NotBegun(Exception):
    """The connection was lost before the commit was asked for: nothing was changed."""


class InDoubt(Exception):
    """The connection was lost while the commit was being made. ``xact`` and ``run`` name it, to be asked after."""

    def __init__(self, xact: str, run: str) -> None:
        super().__init__(xact, run)
        self.xact = xact
        self.run = run


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone."""
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # of a value that cannot be sent
    return isinstance(error, LOST)


def translate(error: BaseException) -> KistError:
    """What an error of the driver means to Kist. Foreign text goes along only where an operator has to read it."""
    if isinstance(error, _REFUSED):
        return Misconfigured(f"KIST_DATABASE: the database refuses: {error}", settings="KIST_DATABASE")
    if isinstance(error, _NOT_TO_BE_HELD) or (isinstance(error, asyncpg.InterfaceError) and not is_lost(error)):
        return Invalid("a value cannot be stored: text must be Unicode without NUL, numbers below 2^63")
    if isinstance(error, asyncpg.DiskFullError):
        return StoreFull("the disk that holds the database is full: make room there")
    if is_lost(error):
        return unreachable()
    if isinstance(error, _BUSY):
        return busy()
    state = getattr(error, "sqlstate", None) or type(error).__name__
    return Broken(f"the database failed ({state}): its log says more")


def busy() -> CatalogueBusy:
    """What a caller is told who has waited long enough."""
    return CatalogueBusy("the database is busy with other changes: try again", after=1)


def unreachable() -> CatalogueBusy:
    """What a caller is told while there is no connection; a change that was being made may or may not be made."""
    return CatalogueBusy("the database cannot be reached right now: try again", after=1)
