"""``kist migrate``: the database's tables, brought up to date. Every start does it too; this does nothing else."""

from __future__ import annotations

import asyncio

import click

from kist.app import migrate
from kist.cli.options import DEBUG, JSON, chosen
from kist.cli.shown import escaped, print_json
from kist.settings import read_settings


@click.command(name="migrate", short_help="Bring the database's tables up to date.")
@JSON
@DEBUG
def command() -> None:
    """Make the database's tables, or bring them up to date, and say what was done."""
    settings = read_settings()
    applied = asyncio.run(migrate(settings))
    if chosen().json:
        print_json({"applied": applied})
    elif applied:
        click.echo(f"applied {', '.join(applied)} to {escaped(settings.shown_database)}")
    else:
        click.echo(f"nothing to do: the tables of {escaped(settings.shown_database)} are up to date")
