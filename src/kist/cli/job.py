"""``kist job``: what syncs are under way or have been, and what is to become of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import click
import msgspec

from kist.cli.backend import Backend
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.running import Ended, report, see_through, step_lines, summary
from kist.cli.shown import columns, escaped, print_json, time_text
from kist.cli.sync import tell_queued
from kist.cli.watching import line
from kist.dialects.native.sync_steps import StepShape
from kist.dialects.native.syncs import JobShape

FIRST = 20
FIRST_STEPS = 100
BACKGROUND = click.option("--background", is_flag=True, help="Leave it to `kist serve` or `kist worker`.")
JOB = click.argument("job", metavar="NUMBER")

Ask = Callable[[Backend], Awaitable[JobShape]]


@click.group(name="job", short_help="List, show and steer syncs.")
def command() -> None:
    """List, show and steer syncs. `kist sync` starts one."""


@command.command(name="ls")
@click.option("--all", "-a", "every", is_flag=True, help=f"Show all, not only the newest {FIRST}.")
@client_options
def page(every: bool) -> None:
    """List your jobs, newest first; as an admin, everybody's."""
    jobs = asyncio.run(_page(None if every else FIRST + 1))
    more = not every and len(jobs) > FIRST
    shown = jobs[:FIRST] if more else jobs
    if chosen().json:
        print_json({"items": msgspec.to_builtins(shown), "more": more})
        return
    if not shown:
        click.echo("no jobs yet: `kist sync SOURCE DEST` starts one", err=True)
    for text in columns([_row(job) for job in shown], right=frozenset({0})):
        click.echo(text)
    if more:
        click.echo("… and more: --all shows all of them", err=True)


@command.command()
@JOB
@click.option("--all", "-a", "every", is_flag=True, help=f"Show all steps, not only the first {FIRST_STEPS}.")
@client_options
def show(job: str, every: bool) -> None:
    """Show a job, and each of its steps with its reason and what became of it."""
    found, steps = asyncio.run(_show(job, None if every else FIRST_STEPS + 1))
    more = not every and len(steps) > FIRST_STEPS
    shown = steps[:FIRST_STEPS] if more else steps
    if chosen().json:
        print_json({**msgspec.to_builtins(found), "steps": msgspec.to_builtins(shown), "more": more})
        return
    for text in columns(_facts(found)):
        click.echo(text)
    if shown:
        click.echo()
    for text in step_lines(shown):
        click.echo(text)
    if more:
        click.echo("… and more: --all shows all of them", err=True)


@command.command()
@JOB
@client_options
def cancel(job: str) -> None:
    """End a job before its next operation. What is done stays, until you say `kist job undo`."""

    async def ask() -> JobShape:
        async with backend(chosen()) as kist:
            return await kist.cancel_job(job)

    found = asyncio.run(ask())
    if chosen().json:
        print_json(msgspec.to_builtins(found))
    else:
        click.echo(f"job {found.number}: {found.state}")


@command.command()
@JOB
@BACKGROUND
@client_options
def confirm(job: str, background: bool) -> None:
    """Say yes to the plan of a job that waits for it, and carry it out."""
    _go_on(lambda kist: kist.confirm_job(job), background)


@command.command()
@JOB
@BACKGROUND
@client_options
def resume(job: str, background: bool) -> None:
    """Go on with a job that failed, was cancelled or left files behind. What is done is not done again."""
    _go_on(lambda kist: kist.resume_job(job), background)


@command.command()
@JOB
@BACKGROUND
@client_options
def undo(job: str, background: bool) -> None:
    """Take back what a job did, by a new one: deleted and overwritten bytes come back, what it made goes."""
    _go_on(lambda kist: kist.undo_job(job), background)


def _go_on(ask: Ask, background: bool) -> None:
    async def work() -> Ended | JobShape:
        async with backend(chosen()) as kist:
            job = await ask(kist)
            return job if background else await see_through(kist, job)

    ended = asyncio.run(work())
    if isinstance(ended, Ended):
        report(ended)
    else:
        tell_queued(ended)


def _row(job: JobShape) -> tuple[str, ...]:
    between = f"{escaped(job.source)} → {escaped(job.dest)}"
    done = summary(job) if job.state.ended else line(job).partition(", ")[2]
    return str(job.number), job.chore, str(job.state), time_text(job.created_at), between, done


def _facts(job: JobShape) -> list[tuple[str, str]]:
    facts = [
        ("job", f"{job.number}, {job.chore} of {escaped(job.owner)}"),
        ("state", line(job) if job.state.wants_worker else str(job.state)),
        ("reason", escaped(job.reason)),
        ("from", escaped(job.source)),
        ("to", escaped(job.dest)),
        ("done", summary(job) if job.state.ended else ""),
        ("started", "" if job.started_at is None else time_text(job.started_at)),
        ("ended", "" if job.ended_at is None else time_text(job.ended_at)),
    ]
    return [(name, fact) for name, fact in facts if fact]


async def _page(limit: int | None) -> list[JobShape]:
    found: list[JobShape] = []
    async with backend(chosen()) as kist:
        async for job in kist.jobs():
            found.append(job)
            if len(found) == limit:
                break
    return found


async def _show(job: str, limit: int | None) -> tuple[JobShape, list[StepShape]]:
    steps: list[StepShape] = []
    async with backend(chosen()) as kist:
        found = await kist.job(job)
        async for step in kist.steps(found.id):
            steps.append(step)
            if len(steps) == limit:
                break
    return found, steps
