"""``kist mv``: another name."""

from __future__ import annotations

import asyncio

import click
import msgspec

from kist.cli.backend import Backend
from kist.cli.naming import one_meant
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.shown import escaped, print_json
from kist.dialects.native.shapes import FileShape


@click.command(name="mv", short_help="Give a file another name.")
@click.argument("file")
@click.argument("new_name", metavar="NEWNAME")
@client_options
def command(file: str, new_name: str) -> None:
    """Give FILE (an id or a name) the name NEWNAME. A NEWNAME that ends with a slash is a folder to move it to."""
    before, after = asyncio.run(_move(file, new_name))
    if chosen().json:
        print_json(msgspec.to_builtins(after))
    else:
        click.echo(f"{escaped(before.name)} is now {escaped(after.name)}")


async def _move(text: str, new_name: str) -> tuple[FileShape, FileShape]:
    async with backend(chosen()) as kist:
        return await _renamed(kist, text, new_name)


async def _renamed(kist: Backend, text: str, new_name: str) -> tuple[FileShape, FileShape]:
    before = await one_meant(kist, text)
    name = new_name + before.name.rpartition("/")[2] if new_name.endswith("/") else new_name
    return before, await kist.rename(before.id, name)
