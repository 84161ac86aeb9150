"""Run the chores, each when it is due, for as long as the host lives."""

from __future__ import annotations

from kist.chores.audit import AUDIT
from kist.chores.chore import Chore, run_chore
from kist.chores.count import COUNT
from kist.chores.digest import DIGEST
from kist.chores.erase import ERASE
from kist.chores.expire import EXPIRE
from kist.chores.probe import PROBE
from kist.chores.settle import SETTLE
from kist.chores.trash import TRASH
from kist.chores.turn import run_in_turn
from kist.ports.system import Clock
from kist.service.kist import Kist

CHORES: tuple[Chore, ...] = (PROBE, SETTLE, EXPIRE, ERASE, COUNT, DIGEST, TRASH, AUDIT)

AGAIN = 5.0
"""Seconds until a chore that another process is at is tried again, if it is not due sooner."""


async def run_schedule(kist: Kist, clock: Clock, chores: tuple[Chore, ...] = CHORES) -> None:
    """Run every chore at once and then each at its interval, until cancelled. A chore that fails is tried again.

    Of all processes that share the catalogue, one runs a chore at a time; the others come when it is done.
    """
    due = {chore.name: clock.ticks() for chore in chores}
    while True:
        for chore in chores:
            if due[chore.name] <= clock.ticks():
                pause = await _run(kist, chore)
                due[chore.name] = clock.ticks() + pause
        await clock.pause(max(0.0, min(due.values()) - clock.ticks()))


async def _run(kist: Kist, chore: Chore) -> float:
    """Run a chore if it can be run now; seconds until it is due again."""
    every = chore.every.total_seconds()
    if chore.everywhere:
        await run_chore(kist, chore)
        return every
    return min(every, AGAIN) if await run_in_turn(kist, chore) is None else every
