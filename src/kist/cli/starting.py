"""How a server or a worker starts: its database may come up a little later than it does itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from kist.app import Assembled, assemble
from kist.errors import CatalogueBusy
from kist.ports.system import Clock
from kist.settings import Settings
from kist.system import SystemClock

PATIENCE = 30.0
"""Seconds that a database may take until it answers."""
_PAUSE = 1.0

log = logging.getLogger("kist")


@asynccontextmanager
async def opened(settings: Settings, *, process: str = "") -> AsyncIterator[Assembled]:
    """The Kist that ``settings`` describe, with what carries out its jobs, for as long as the block runs.

    A database that does not answer is asked again for ``PATIENCE`` seconds, then it is ``CatalogueBusy``. ``process``:
    which of several on one port it is for.
    """
    assembled = await patiently(lambda: assemble(settings, process=process), SystemClock())
    try:
        yield assembled
    finally:
        await assembled.kist.close()


async def patiently(begin: Callable[[], Awaitable[Assembled]], clock: Clock) -> Assembled:
    """What ``begin`` gives, which is tried again while the database does not answer."""
    until = clock.ticks() + PATIENCE
    while True:
        try:
            return await begin()
        except CatalogueBusy:
            if clock.ticks() >= until:
                raise
            log.warning("not started yet: the database does not answer, trying again")
            await clock.pause(_PAUSE)
