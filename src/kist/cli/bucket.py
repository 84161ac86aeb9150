"""``kist bucket``: buckets of one's own."""

from __future__ import annotations

import asyncio
import sys

import click
import msgspec

from kist.cli.exits import NeedsConfirmation
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.shown import columns, escaped, print_json, time_text
from kist.dialects.native.buckets import BucketShape, NewBucket


@click.group(name="bucket", short_help="Make, list and remove buckets.")
def command() -> None:
    """Make, list and remove buckets: `kist bucket create NAME`, and only you and admins write into it."""


@command.command(name="ls")
@client_options
def page() -> None:
    """List your buckets; as an admin, all that the store holds."""
    buckets = asyncio.run(_page())
    if chosen().json:
        print_json({"items": msgspec.to_builtins(buckets)})
        return
    if not buckets:
        click.echo("no buckets yet: `kist bucket create NAME` makes one", err=True)
    for line in columns([_line(bucket) for bucket in buckets]):
        click.echo(line)


@command.command()
@click.argument("name")
@client_options
def create(name: str) -> None:
    """Make the bucket NAME: 3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends."""
    made = asyncio.run(_create(name))
    if chosen().json:
        print_json(msgspec.to_builtins(made))
    else:
        click.echo(f"{made.name} is made")


@command.command(name="rm")
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@client_options
def remove(name: str, yes: bool) -> None:
    """Remove the bucket NAME. One that holds a file, an object or an upload stays."""
    if not yes:
        _confirm(name)
    asyncio.run(_remove(name))
    if chosen().json:
        print_json({"removed": name})
    else:
        click.echo(f"{escaped(name)} is removed")


def _confirm(name: str) -> None:
    """Have the name typed once more, where somebody is there to do it."""
    if not sys.stdin.isatty():
        raise NeedsConfirmation(f"this would remove the bucket {escaped(name)}: say --yes to do it")
    if click.prompt("Type the name of the bucket to remove it", err=True) != name:
        raise NeedsConfirmation("nothing was removed")


def _line(bucket: BucketShape) -> tuple[str, ...]:
    kept = f"kept by {bucket.dialect}" if bucket.dialect else ""
    owner = escaped(bucket.owner) if bucket.owner else "-"
    return bucket.name, owner, f"made {time_text(bucket.created_at)}", kept


async def _page() -> tuple[BucketShape, ...]:
    async with backend(chosen()) as kist:
        return await kist.buckets()


async def _create(name: str) -> BucketShape:
    async with backend(chosen(), makes=True) as kist:
        return await kist.make_bucket(NewBucket(name))


async def _remove(name: str) -> None:
    async with backend(chosen()) as kist:
        await kist.drop_bucket(name)
