"""``kist rm``: remove files."""

from __future__ import annotations

import asyncio
import sys

import click

from kist.cli.backend import Backend
from kist.cli.exits import NeedsConfirmation
from kist.cli.naming import meant
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.outcomes import Outcome, State, failed, report, work_through
from kist.cli.shown import count_text, escaped, size_text
from kist.dialects.native.shapes import FileShape
from kist.errors import KistError

SHOWN = 10


@click.command(name="rm", short_help="Remove files.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@client_options
def command(files: tuple[str, ...], yes: bool) -> None:
    """Remove files: ids, names, or folders with a slash at their end. Removed is removed: there is no way back."""
    found, missing = asyncio.run(_find(files))
    if found and not yes:
        _confirm(found)
    report("removed", missing + asyncio.run(_remove(found)))


async def _find(texts: tuple[str, ...]) -> tuple[list[FileShape], list[Outcome]]:
    async with backend(chosen()) as kist:
        return await _all_meant(kist, texts)


async def _remove(files: list[FileShape]) -> list[Outcome]:
    if not files:
        return []
    async with backend(chosen()) as kist:

        async def one(file: FileShape) -> Outcome:
            await kist.remove(file.id)
            return Outcome(name=file.name, state=State.DONE, id=file.id, size=file.size)

        return await work_through(files, one, lambda file: file.name)


async def _all_meant(kist: Backend, texts: tuple[str, ...]) -> tuple[list[FileShape], list[Outcome]]:
    found: dict[str, FileShape] = {}
    missing = []
    for text in texts:
        try:
            found |= {file.id: file for file in await meant(kist, text)}
        except KistError as error:
            missing.append(failed(text, error))
    return list(found.values()), missing


def _confirm(files: list[FileShape]) -> None:
    total = f"{count_text(len(files), 'file')}, {size_text(sum(file.size for file in files))}"
    if not sys.stdin.isatty():
        raise NeedsConfirmation(f"this would remove {total}: say --yes to do it")
    for file in files[:SHOWN]:
        click.echo(f"  {escaped(file.name)}", err=True)
    if len(files) > SHOWN:
        click.echo(f"  and {len(files) - SHOWN} more", err=True)
    if not click.confirm(f"Remove {total}?", err=True):
        raise NeedsConfirmation("nothing was removed")
