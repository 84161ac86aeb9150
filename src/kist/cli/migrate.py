"""``kist migrate``: the database's tables, brought up to date. Every start does it too; this does nothing else."""

from __future__ import annotations

import asyncio

import click

from kist.app import migrate, take_over_rows
from kist.cli.options import DEBUG, JSON, chosen
from kist.cli.shown import escaped, print_json
from kist.setting_texts import parse_database
from kist.settings import read_settings


@click.command(name="migrate", short_help="Bring the database's tables up to date.")
@click.option("--from", "source", metavar="URL", help="Copy all rows of that database into this one, which is empty.")
@JSON
@DEBUG
def command(source: str | None) -> None:
    """Make the database's tables, or bring them up to date, and say what was done.

    With --from, stop every server and worker of the other database first: what they change meanwhile is not copied.
    """
    settings = read_settings()
    applied = asyncio.run(migrate(settings))
    copied = None if source is None else asyncio.run(take_over_rows(settings, parse_database(source)))
    where = escaped(settings.shown_database)
    if chosen().json:
        print_json({"applied": applied} | ({} if copied is None else {"copied": copied}))
        return
    if applied:
        click.echo(f"applied {', '.join(applied)} to {where}")
    elif copied is None:
        click.echo(f"nothing to do: the tables of {where} are up to date")
    if copied is not None:
        click.echo(f"copied {copied} rows to {where}")
