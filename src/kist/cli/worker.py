"""``kist worker``: the chores without a server, beside servers that others run."""

from __future__ import annotations

import asyncio
import logging
import signal

import click

from kist.app import build
from kist.chores.schedule import CHORES, run_schedule
from kist.cli.options import DEBUG
from kist.cli.shown import escaped
from kist.settings import Settings, read_settings
from kist.system import SystemClock


@click.command(name="worker", short_help="Run the chores alone, beside servers.")
@DEBUG
def command() -> None:
    """Run the chores on their schedule until Ctrl-C or SIGTERM. `kist serve` does so as well; both at once is fine."""
    settings = read_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    kist = await build(settings)
    try:
        chores = asyncio.create_task(run_schedule(kist, SystemClock()))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, chores.cancel)
        names = ", ".join(chore.name for chore in CHORES)
        click.echo(f"Working on {escaped(str(settings.home))}: {names}. Ctrl-C stops.")
        await asyncio.wait([chores])
        if not chores.cancelled():
            chores.result()
    finally:
        await kist.close()
    click.echo("stopped", err=True)
