"""Keep servers running until standard input ends: ``python -m tests.servers.keeper rgw ministack swift``.

Each server gets one line on standard output, ready to be exported. Because the end of whoever started the keeper also
ends its standard input, no server outlives the tests, not even when they are killed.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import NoReturn

from tests.servers.ministack import ministack
from tests.servers.postgres import postgres
from tests.servers.rgw import rgw
from tests.servers.server import Missing, NotStarted, Server, variable, written
from tests.servers.swift import swift

SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "rgw": rgw,
    "ministack": ministack,
    "swift": swift,
    "postgres": postgres,
}


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def keep(names: list[str]) -> None:
    """Start the named servers, say where they are, and stop them when standard input ends or a signal comes."""
    signal.signal(signal.SIGTERM, _leave)
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        for name in names:
            print(f"{variable(name)}={written(_started(name, stack))}", flush=True)
        sys.stdin.read()


def _started(name: str, stack: ExitStack) -> Server | Missing:
    """The server, or why not. Two attempts: somebody else may have taken the free port in between."""
    reason = ""
    for _ in range(2):
        try:
            return stack.enter_context(SERVERS[name]())
        except NotStarted as failure:
            reason = str(failure)
    return Missing(name, reason)


if __name__ == "__main__":
    keep(sys.argv[1:])
