"""``kist put``: files and folders of this machine into Kist. What is there already is not sent again."""

from __future__ import annotations

import asyncio
from hashlib import file_digest
from os.path import commonprefix  # of characters, which is what a search by part of the name needs

import click

from kist.cli.backend import Backend, Source
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.outcomes import Outcome, State, report, tried, work_through
from kist.cli.progress import Display
from kist.cli.walking import sources
from kist.dialects.native.shapes import FileShape
from kist.errors import Corrupt, Refused

ASKED_ONE_BY_ONE = 20
"""Up to so many names, each is looked up by itself; more are found in one listing."""


@click.command(name="put", short_help="Put files and folders into Kist.")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option("--name", metavar="NAME", help="What the file is to be called; needed for - (standard input).")
@click.option("--to", "folder", metavar="FOLDER", default="", help="Put it all into this folder.")
@click.option("--type", "media_type", metavar="TYPE", help="The media type, like image/png. Else told by the name.")
@click.option("--replace", is_flag=True, help="Replace the content of files that have these names.")
@client_options
def command(paths: tuple[str, ...], name: str | None, folder: str, media_type: str | None, replace: bool) -> None:
    """Put files and folders into Kist.

    A folder keeps its shape: `kist put photos` makes photos/a/b.jpg. A file that is there already, with the same name
    and content, is left alone, so the same command goes on where it was stopped.
    """
    if name is not None and len(paths) > 1:
        raise click.UsageError("--name is for one file: use --to for several")
    if "-" in paths and (name is None or len(paths) > 1):
        raise click.UsageError("- reads the standard input: give it a --name, and nothing else to put")
    prefix = f"{folder.rstrip('/')}/" if folder.strip("/") else ""
    found = list(sources(paths, name=name, folder=prefix, type=media_type))
    outcomes, lines = asyncio.run(_put(found, replace))
    report("put", outcomes, lines=lines)


async def _put(found: list[Source | Outcome], replace: bool) -> tuple[list[Outcome], bool]:
    wanted = [each for each in found if isinstance(each, Source)]
    async with backend(chosen(), makes=True) as kist:
        there = await _there(kist, wanted)
        size = sum(source.size or 0 for source in wanted)
        with Display("put", [source.name for source in wanted], size, silent=chosen().json) as display:

            async def one(source: Source) -> Outcome:
                source.passed = display.passed
                return await _put_one(kist, source, there.get(source.name, []), replace)

            done = await work_through(wanted, one, lambda source: source.name, seen=display.finished)
    return [each for each in found if isinstance(each, Outcome)] + done, display.lines_left


async def _there(kist: Backend, wanted: list[Source]) -> dict[str, list[FileShape]]:
    """The caller's own files that have the names of those to put."""
    names = {source.name for source in wanted}
    me = await kist.me()
    texts = names if len(names) <= ASKED_ONE_BY_ONE else {commonprefix(sorted(names))}  # noqa: RUF071
    there: dict[str, list[FileShape]] = {}
    for text in texts:
        async for file in kist.files(text=text or None, owner=me):
            if file.name in names:
                there.setdefault(file.name, []).append(file)
    return there


async def _put_one(kist: Backend, source: Source, there: list[FileShape], replace: bool) -> Outcome:
    same = await _same(source, there)
    if same is not None:
        source.passed(source.size or 0)
        return _outcome(State.THERE, same)
    if replace and len(there) > 1:
        raise Refused(f"{len(there)} files have this name: remove all but the one to replace")

    async def send() -> FileShape:
        return await (kist.replace(there[0], source) if replace and there else kist.put(source))

    file = await (tried(send) if source.again else send())
    if source.sha256 and file.sha256 is not None and file.sha256 != source.sha256:
        raise Corrupt("what arrived is not what was sent: put it again")
    return _outcome(State.DONE, file)


async def _same(source: Source, there: list[FileShape]) -> FileShape | None:
    """The one of ``there`` that has the content of ``source``. It is read only when a size fits."""
    alike = [file for file in there if file.size == source.size and file.sha256 is not None]
    if not alike or source.path is None:
        return None
    digest = await asyncio.to_thread(_digest, source)
    return next((file for file in alike if file.sha256 == digest), None)


def _digest(source: Source) -> str:
    assert source.path is not None
    with source.path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _outcome(state: State, file: FileShape) -> Outcome:
    return Outcome(name=file.name, state=state, id=file.id, size=file.size, sha256=file.sha256)
