"""Run a chore where no other process that shares the catalogue is running it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from kist.chores.chore import Chore, run_chore
from kist.errors import KistError
from kist.service.kist import Kist
from kist.service.turns import TERM

BEAT = TERM.total_seconds() / 6
"""Seconds between two signs of life."""

log = logging.getLogger("kist.chores")


async def run_in_turn(kist: Kist, chore: Chore) -> int | None:
    """Run ``chore`` once, in its turn, and return how much was done. None, with nothing done, while another process
    has it.

    A turn that is lost on the way ends the chore: another process may be at it then. So does the turn of a process
    that dies, when its term is over.
    """
    begun = _now()
    try:
        if not await kist.turns.take(chore.name):
            return None
    except KistError as error:
        kist.measures.chore_failed(chore.name)
        log.warning("chore %s: %s (%s)", chore.name, error.message, error.code)
        return 0
    work = asyncio.ensure_future(run_chore(kist, chore))
    try:
        if await _done_in_time(kist, chore, work, begun):
            return work.result()
        log.warning("chore %s: its turn is lost: it is ended here", chore.name)
        return 0
    finally:
        work.cancel()
        await asyncio.wait([work])
        with suppress(KistError):
            await kist.turns.give_back(chore.name)


async def _done_in_time(kist: Kist, chore: Chore, work: asyncio.Future[int], begun: float) -> bool:
    """Whether the work was done while the turn, which was taken at ``begun``, was kept by signs of life."""
    while True:
        done, _ = await asyncio.wait([work], timeout=BEAT)
        if done:
            return True
        taking = _now()
        try:
            if not await kist.turns.take(chore.name):
                return False
            begun = taking
        except KistError:
            if _now() + BEAT > begun + TERM.total_seconds():
                return False


def _now() -> float:
    return asyncio.get_running_loop().time()
