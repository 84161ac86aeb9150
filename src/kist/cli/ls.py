"""``kist ls``: what is there."""

from __future__ import annotations

import asyncio

import click
import msgspec

from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.shown import columns, escaped, print_json, size_text, time_text
from kist.dialects.native.shapes import FileShape

FIRST = 100
SORTS = ("name", "-name", "size", "-size", "created_at", "-created_at")


@click.command(name="ls", short_help="List files.")
@click.argument("text", required=False, metavar="[FOLDER/ | TEXT]")
@click.option("--long", "-l", is_flag=True, help="Show ids, owners, types and checksums as well.")
@click.option("--all", "-a", "every", is_flag=True, help=f"Show all, not only the first {FIRST}.")
@click.option("--sort", type=click.Choice(SORTS), default="name", show_default=True, help="Order; - for descending.")
@client_options
def command(text: str | None, long: bool, every: bool, sort: str) -> None:
    """List the files that you may see: all, those in FOLDER/, or those with TEXT in their name."""
    files = asyncio.run(_list(text, None if every else FIRST + 1, sort))
    more = not every and len(files) > FIRST
    shown = files[:FIRST] if more else files
    if chosen().json:
        print_json({"items": msgspec.to_builtins(shown), "more": more})
        return
    if not shown:
        click.echo("no files" + (f" match {escaped(text)}" if text else " yet: `kist put FILE` puts one in"), err=True)
    for line in columns([_long(file) if long else _short(file) for file in shown], right=frozenset({0 + 1 * long})):
        click.echo(line)
    if more:
        click.echo(f"… and more: --all shows all of them, TEXT or FOLDER/ fewer than {FIRST}", err=True)


async def _list(text: str | None, limit: int | None, sort: str) -> list[FileShape]:
    folder = text if text and text.endswith("/") else ""
    found: list[FileShape] = []
    async with backend(chosen()) as kist:
        async for file in kist.files(text=text, sort=sort, limit=None if folder else limit):
            if file.name.startswith(folder):
                found.append(file)
                if len(found) == limit:
                    break
    return found


def _short(file: FileShape) -> tuple[str, ...]:
    return size_text(file.size), time_text(file.updated_at), escaped(file.name)


def _long(file: FileShape) -> tuple[str, ...]:
    checksum = (file.sha256 or "-")[:12]
    return (
        file.id,
        size_text(file.size),
        time_text(file.updated_at),
        escaped(file.owner),
        escaped(file.type),
        checksum,
        escaped(file.name),
    )
