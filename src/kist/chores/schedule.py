"""Run the chores, each when it is due, for as long as the host lives."""

from __future__ import annotations

import logging

from kist.chores.audit import AUDIT
from kist.chores.chore import Chore
from kist.chores.count import COUNT
from kist.chores.digest import DIGEST
from kist.chores.erase import ERASE
from kist.chores.expire import EXPIRE
from kist.chores.probe import PROBE
from kist.chores.settle import SETTLE
from kist.chores.trash import TRASH
from kist.errors import KistError
from kist.ports.system import Clock
from kist.service.kist import Kist

CHORES: tuple[Chore, ...] = (PROBE, SETTLE, EXPIRE, ERASE, COUNT, DIGEST, TRASH, AUDIT)

log = logging.getLogger("kist.chores")


async def run_schedule(kist: Kist, clock: Clock, chores: tuple[Chore, ...] = CHORES) -> None:
    """Run every chore at once and then each at its interval, until cancelled. A chore that fails is tried again."""
    due = {chore.name: clock.ticks() for chore in chores}
    while True:
        for chore in chores:
            if due[chore.name] <= clock.ticks():
                await run_chore(kist, chore)
                due[chore.name] = clock.ticks() + chore.every.total_seconds()
        await clock.pause(max(0.0, min(due.values()) - clock.ticks()))


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
