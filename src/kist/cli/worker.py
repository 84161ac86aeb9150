"""``kist worker``: jobs and chores without a server, beside servers that others run."""

from __future__ import annotations

import asyncio
import logging
import signal

import click

from kist.chores.schedule import CHORES
from kist.cli.options import DEBUG
from kist.cli.shown import escaped
from kist.cli.starting import opened
from kist.settings import Settings, read_settings
from kist.working import work_until


@click.command(name="worker", short_help="Run jobs and chores alone, beside servers.")
@DEBUG
def command() -> None:
    """Carry out jobs and run the chores until Ctrl-C or SIGTERM. `kist serve` does so as well; both at once is fine."""
    settings = read_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    async with opened(settings) as assembled:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        names = ", ".join(chore.name for chore in CHORES)
        click.echo(f"Working on {escaped(str(settings.home))}: jobs, {names}. Ctrl-C stops.")
        await work_until(stopped, assembled.kist, assembled.work)
    click.echo("stopped", err=True)
