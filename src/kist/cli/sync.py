"""``kist sync``: a folder and a bucket in step, by a job that can be watched, stopped, resumed and taken back."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import click
import msgspec

from kist.cli.backend import Backend
from kist.cli.elsewhere import ANY_S3, end_elsewhere
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.running import Ended, report, see_through
from kist.cli.shown import escaped, print_json
from kist.dialects.native.syncs import JobShape, NewSync
from kist.errors import BucketMissing, Invalid
from kist.model.job import Compare, SyncOptions
from kist.service.jobs import MOST_AT_ONCE
from kist.setting_texts import parse_speed


class Rate(click.ParamType[int]):
    """Bytes a second, like ``500k``, ``10MB`` or ``10MiB``."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_speed(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(name="sync", short_help="Bring a folder and a bucket in step.")
@click.argument("source", metavar="SOURCE")
@click.argument("dest", metavar="DEST")
@click.option("--delete", is_flag=True, help="Delete what SOURCE has no more, of what a sync put there.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option(
    "--compare",
    type=click.Choice([each.value for each in Compare]),
    default=Compare.TIME.value,
    show_default=True,
    help="What tells a changed file: size and time, the bytes, or both.",
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Only keys like that, as *.jpg. May be repeated.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No keys like that; nor are they deleted.")
@click.option(
    "--max-delete",
    type=click.IntRange(0),
    default=SyncOptions().max_delete,
    show_default=True,
    metavar="N",
    help="More wait for a yes.",
)
@click.option("--immutable", is_flag=True, help="Fail rather than overwrite anything.")
@click.option("--rate", type=Rate(), metavar="RATE", help="Bytes a second at most, like 500k or 10MiB.")
@click.option(
    "--at-once", type=click.IntRange(1, MOST_AT_ONCE), metavar="N", help="Files at a time. Else what the storage bears."
)
@click.option("--background", is_flag=True, help="Leave it to `kist serve` or `kist worker`.")
@click.option("--yes", "-y", is_flag=True, help="Delete however much is to be deleted.")
@client_options
def command(source: str, dest: str, background: bool, yes: bool, compare: str, **options: object) -> None:
    """Make DEST what SOURCE is. Each is a folder (/…, ./…, ../… or ~…), or BUCKET[/PREFIX]; one of them may be
    s3://BUCKET[/PREFIX], on the S3 server in KIST_S3_ENDPOINT or AWS_ENDPOINT_URL, else Amazon's.

    With a server a folder is one of the server's, by its whole path. Overwritten and deleted bytes are kept for a
    while: `kist job undo` brings them back.
    """
    wanted = NewSync(source=source, dest=dest, compare=Compare(compare), **options)  # type: ignore[arg-type]
    ended = asyncio.run(_sync(wanted, background, yes))
    if isinstance(ended, Ended):
        report(ended)
    else:
        tell_queued(ended)


async def _sync(wanted: NewSync, background: bool, yes: bool) -> Ended | JobShape:
    async with backend(chosen()) as kist:
        source, dest = (end_of(text, local=kist.is_local) for text in (wanted.source, wanted.dest))
        if kist.is_local and dest.startswith("/") and not wanted.dry_run:
            _make_folder(dest)
        wanted = msgspec.structs.replace(wanted, source=source, dest=dest)
        try:
            job = await kist.sync(wanted)
        except BucketMissing as error:
            raise await _absent(kist, source, dest) or error from error
        return job if background else await see_through(kist, job, yes=yes)


def end_of(text: str, *, local: bool) -> str:
    """``text`` as an end of a sync: a folder of this machine by its whole path, where there is no server between."""
    if text.startswith(ANY_S3):
        return end_elsewhere(text, local=local)
    if not text.startswith(("/", "~", "./", "../")) and text not in (".", ".."):
        return text
    if local:
        return os.path.realpath(os.path.expanduser(text))
    if not text.startswith("/"):
        raise Invalid(
            f"{escaped(text)} is a folder of this machine: with a server, give the whole path of one of its own"
        )
    return text


def _make_folder(path: str) -> None:
    """The folder itself, in one that is there: a disk that is not mounted must not be filled under its name."""
    with suppress(OSError):  # the job says what is wrong with it
        os.mkdir(path)


async def _absent(kist: Backend, source: str, dest: str) -> BucketMissing | None:
    """Which bucket is not there, in a sentence that helps."""
    there = {bucket.name for bucket in await kist.buckets()}
    for end, made in ((source, False), (dest, True)):
        name = end.partition("/")[0]
        if name and name not in there:
            return BucketMissing(f"there is no bucket {name}{_remedy(name, end, made=made)}")
    return None


def _remedy(name: str, end: str, *, made: bool) -> str:
    if os.path.isdir(end):
        return f": write ./{escaped(end)} for the folder"
    return f": `kist bucket create {name}` makes it" if made else ""


def tell_queued(job: JobShape) -> None:
    """Say how to watch a job that is left to a worker."""
    if chosen().json:
        print_json(msgspec.to_builtins(job))
    else:
        click.echo(f"job {job.number} is {job.state}: `kist job show {job.number}` tells how far it is")
