"""``kist get``: files and folders out of Kist. What is here already is not fetched again."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click

from kist.cli.backend import Backend
from kist.cli.fetching import fetch, pour
from kist.cli.naming import meant, one_meant
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.outcomes import Outcome, failed, report, work_through
from kist.cli.progress import Display
from kist.cli.targets import last_part, target_in
from kist.dialects.native.shapes import FileShape
from kist.errors import KistError, Refused


@dataclass(frozen=True)
class Wanted:
    """A file and where it goes: at ``path`` when that was said, else under ``name`` in ``folder``."""

    file: FileShape
    folder: Path
    name: str
    path: Path | None = None

    @property
    def target(self) -> Path:
        return self.path or target_in(self.folder, self.name)


@click.command(name="get", short_help="Get files and folders out of Kist.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("-o", "--output", metavar="DIR|FILE", help="Where to write; - is the standard output. Else: here.")
@click.option("--overwrite", is_flag=True, help="Replace files of this machine that have other content.")
@client_options
def command(files: tuple[str, ...], output: str | None, overwrite: bool) -> None:
    """Get files: ids, names, or folders with a slash at their end.

    A folder keeps its shape: `kist get photos/` makes photos/a/b.jpg. What is here already with the same content is
    left alone, and a download that broke off goes on where it stopped.
    """
    if output == "-":
        if len(files) != 1 or files[0].endswith("/"):
            raise click.UsageError("-o - takes one file")
        asyncio.run(_pour(files[0]))
        return
    outcomes, lines = asyncio.run(_get(files, output, overwrite))
    report("got", outcomes, lines=lines)


async def _pour(text: str) -> None:
    async with backend(chosen()) as kist:
        await pour(kist, await one_meant(kist, text), sys.stdout.buffer.write)
    sys.stdout.buffer.flush()


async def _get(texts: tuple[str, ...], output: str | None, overwrite: bool) -> tuple[list[Outcome], bool]:
    async with backend(chosen()) as kist:
        wanted, missing = await _wanted(kist, texts, output)
        clear, doubled = _without_doubles(wanted)
        names, size = [each.name for each in clear], sum(each.file.size for each in clear)
        with Display("got", names, size, silent=chosen().json) as display:

            async def one(each: Wanted) -> Outcome:
                return await fetch(kist, each.file, each.target, display.passed, overwrite=overwrite)

            done = await work_through(clear, one, lambda each: each.file.name, seen=display.finished)
    return missing + doubled + done, display.lines_left


async def _wanted(kist: Backend, texts: tuple[str, ...], output: str | None) -> tuple[list[Wanted], list[Outcome]]:
    single = len(texts) == 1 and not texts[0].endswith("/")
    wanted: dict[str, Wanted] = {}
    missing = []
    for text in texts:
        try:
            for file in await meant(kist, text):
                wanted[file.id] = _placed(file, text, output, single)
        except KistError as error:
            missing.append(failed(text, error))
    return list(wanted.values()), missing


def _placed(file: FileShape, text: str, output: str | None, single: bool) -> Wanted:
    folder = Path(output or ".")
    if text.endswith("/"):
        return Wanted(file, folder, file.name)
    if output is not None and single and not output.endswith("/") and not folder.is_dir():
        return Wanted(file, folder.parent, file.name, path=folder)
    return Wanted(file, folder, last_part(file.name))


def _without_doubles(wanted: list[Wanted]) -> tuple[list[Wanted], list[Outcome]]:
    """Two files cannot be written to one place: none of them is, and each is said to have failed."""
    times = Counter((str(each.folder), each.name, str(each.path)) for each in wanted)
    doubled = [each for each in wanted if times[str(each.folder), each.name, str(each.path)] > 1]
    outcomes = [
        failed(
            f"{each.file.name} ({each.file.id})", Refused("others have the same name: get it by its id, with -o FILE")
        )
        for each in doubled
    ]
    return [each for each in wanted if each not in doubled], outcomes
