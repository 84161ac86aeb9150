"""``manage.py kist_worker``: jobs and chores, beside the site. Without it nothing expires and no bytes are erased."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand

from kist.app import Assembled
from kist.chores.chore import Chore, run_chore
from kist.chores.schedule import CHORES
from kist.chores.turn import run_in_turn
from kist.django.management.running import carry_out, stopping
from kist.django.working import COMMAND, opened
from kist.errors import LeaseLost
from kist.service.kist import Kist
from kist.system import SystemIds
from kist.working import work_until


class Command(BaseCommand):
    """Works until it is stopped, or once."""

    help = "Carry out jobs and run the chores, until Ctrl-C or SIGTERM. Any number may run at once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Whether to go on."""
        parser.add_argument("--once", action="store_true", help="do what there is to do now, for cron")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work."""
        if options["once"]:
            done = carry_out(_once())
            told = ", ".join(f"{name} {count}" for name, count in done.items() if count)
            self.stdout.write(f"done: {told or 'nothing to do'}")
            return
        names = ", ".join(chore.name for chore in CHORES)
        self.stdout.write(f"Working: jobs, {names}. Ctrl-C stops.")
        carry_out(_go_on())
        self.stderr.write("stopped")


async def _once() -> dict[str, int]:
    """How much was done of what, by its name."""
    async with opened() as made:
        done = {chore.name: await _run(made.kist, chore) for chore in CHORES}
        return done | {"jobs": await _jobs(made)}


async def _run(kist: Kist, chore: Chore) -> int:
    """How much there was to do; nothing where another process is at it."""
    return await run_chore(kist, chore) if chore.everywhere else await run_in_turn(kist, chore) or 0


async def _jobs(made: Assembled) -> int:
    """Carry out the jobs that wait. Those that another worker has are left to it."""
    name, done = SystemIds().token(), 0
    for job in await made.kist.jobs.unended(COMMAND):
        lease = await made.work.claimed(job, name) if job.state.wants_worker else None
        if lease is not None:
            with suppress(LeaseLost):
                await made.work.carry_out(lease)
                done += 1
    return done


async def _go_on() -> None:
    async with opened() as made:
        stopped = asyncio.Event()
        with stopping(stopped.set):
            await work_until(stopped, made.kist, made.work)
