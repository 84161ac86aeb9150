"""What every host does with an error that ends a request: log it as it deserves, and show it in the dialect's words."""

from __future__ import annotations

import logging

from kist.errors import Broken, KistError, Unavailable
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.routes import Dialect
from kist.wire.statuses import error_headers

log = logging.getLogger("kist")


def show(error: Exception, call: Call, dialect: Dialect, path: str) -> Reply:
    """The reply that tells of ``error`` in the dialect's shape. What nobody foresaw is logged, and not shown.

    ``path`` stands in the log for the one that was called, which may hold a token.
    """
    if not isinstance(error, KistError):
        log.error("%s %s failed", call.method, path, exc_info=error)
        error = Broken("something went wrong on the server; its log says what")
    elif isinstance(error, Broken):
        log.error("%s %s: %s", call.method, path, error.message, exc_info=error)
    elif isinstance(error, Unavailable):
        log.warning("%s %s: %s: %s", call.method, path, error.code, error.message)
    reply = dialect.show_error(error, call)
    missing = [(name, value) for name, value in error_headers(error) if not reply.has(name)]
    reply.headers = [*reply.headers, *missing]
    return reply
