"""What a chore is, and what running it once means."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from kist.errors import KistError
from kist.service.kist import Kist

log = logging.getLogger("kist.chores")


@dataclass(frozen=True)
class Chore:
    """A duty that is safe to repeat. ``run`` returns how much it did.

    ``everywhere``: each process has its own part of it; else one does it at a time, for all.
    """

    name: str
    every: timedelta
    run: Callable[[Kist], Awaitable[int]]
    everywhere: bool = False


async def run_chore(kist: Kist, chore: Chore) -> int:
    """Run one chore once. Its failure, foreseen or not, is logged and counts as nothing done: it is tried again."""
    try:
        done = await chore.run(kist)
    except Exception as error:
        kist.measures.chore_failed(chore.name)
        if isinstance(error, KistError):
            log.warning("chore %s: %s (%s)", chore.name, error.message, error.code)
        else:
            log.exception("chore %s failed", chore.name)
        return 0
    kist.measures.chore_done(chore.name, done)
    if done:
        log.info("chore %s: %d done", chore.name, done)
    return done
