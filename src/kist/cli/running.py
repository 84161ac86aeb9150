"""A job from where it is to its end, as a command sees it: carried out or watched, stopped by Ctrl-C, told of."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import click
import msgspec

from kist.cli.backend import Backend
from kist.cli.exits import NeedsConfirmation
from kist.cli.options import chosen
from kist.cli.shown import columns, count_text, escaped, print_json, size_text
from kist.cli.watching import Watch
from kist.dialects.native.sync_steps import StepShape
from kist.dialects.native.syncs import JobShape
from kist.errors import KistError, Stopped, error_in
from kist.exits import DONE, PARTLY_DONE
from kist.model.job import Act, JobState, StepState

MOST_TOLD = 20
LOOKED_AT = 10_000
"""Of how many steps it is asked whether there is something to tell of them."""
CONFIRMED = 3
DRY_RUN = "dry run"


@dataclass
class Ended:
    """What became of a job, and the steps that are worth a line."""

    job: JobShape
    plan: list[StepShape] = field(default_factory=list)
    notes: list[StepShape] = field(default_factory=list)


async def see_through(kist: Backend, job: JobShape, *, yes: bool = False) -> Ended:
    """Carry out or watch ``job`` until it has ended or waits for a yes. ``yes``: say it, whatever it waits for."""
    with Watch(silent=chosen().json) as watch:
        async with _stoppable(kist, job):
            job = await kist.follow(job.id, watch.told)
            for _ in range(CONFIRMED):
                if not yes or job.state is not JobState.NEEDS_CONFIRMATION:
                    break
                await kist.confirm_job(job.id, job.plan)
                job = await kist.follow(job.id, watch.told)
    ended = Ended(job)
    looked = 0
    async for step in kist.steps(job.id):
        looked += 1
        if job.reason == DRY_RUN and step.act is not Act.NOTE:
            ended.plan.append(step)
        elif step.act is Act.NOTE or step.state is StepState.FAILED:
            ended.notes.append(step)
        if looked >= LOOKED_AT or max(len(ended.plan), len(ended.notes)) > MOST_TOLD:
            break
    return ended


@asynccontextmanager
async def _stoppable(kist: Backend, job: JobShape) -> AsyncIterator[None]:
    """Ctrl-C cancels the job, whose end is then waited for; a second one leaves at once."""
    loop, here = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[asyncio.Task[JobShape]] = []

    def stop() -> None:
        if asked:
            assert here is not None
            here.cancel()
            return
        asked.append(loop.create_task(kist.cancel_job(job.id)))
        asked[0].add_done_callback(_tell_failure)
        click.echo(f"stopping job {job.number}; Ctrl-C again leaves at once", err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        for task in asked:
            task.cancel()
        raise click.Abort from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        for task in asked:
            with suppress(KistError, asyncio.CancelledError):
                await task


def _tell_failure(asking: asyncio.Task[JobShape]) -> None:
    error = None if asking.cancelled() else asking.exception()
    if error is not None:
        click.echo(f"the job could not be stopped: {escaped(str(error))}", err=True)


def report(ended: Ended) -> None:
    """Say what became of a job, and leave with the exit code that fits."""
    job = ended.job
    if chosen().json:
        print_json(msgspec.to_builtins(job))
    else:
        _tell(ended)
    if job.state is JobState.FAILED:
        error = error_in(job.reason)
        raise type(error)(f"job {job.number} failed: {error.message}")
    if job.state is JobState.CANCELLED:
        raise Stopped(f"job {job.number} was cancelled: `kist job resume {job.number}` goes on with it")
    if job.state is JobState.NEEDS_CONFIRMATION:
        raise NeedsConfirmation(
            f"nothing was done yet: {escaped(job.reason.removesuffix(': confirm the job'))}: "
            f"`kist job show {job.number}` names them, `kist job confirm {job.number}` carries it out"
        )
    partly = job.state is JobState.SUCCEEDED_WITH_ERRORS
    click.get_current_context().exit(PARTLY_DONE if partly else DONE)


def _tell(ended: Ended) -> None:
    job = ended.job
    for text in step_lines(ended.plan[:MOST_TOLD]):
        click.echo(text)
    for step in ended.notes[:MOST_TOLD]:
        bad = step.state is StepState.FAILED
        word = click.style("failed ", fg="red") if bad else click.style("skipped", fg="yellow")
        click.echo(f"{word}  {escaped(step.key)}: {escaped(step.error or step.reason)}", err=True)
    if max(len(ended.plan), len(ended.notes)) > MOST_TOLD:
        click.echo(f"… and more: `kist job show {job.number} --all`", err=True)
    if job.state not in (JobState.FAILED, JobState.NEEDS_CONFIRMATION):
        click.echo(f"job {job.number}: {summary(job)}")


def step_lines(steps: list[StepShape]) -> list[str]:
    """A plan as lines: what is done, to how many bytes, to which key, why."""
    rows = [(step.act.value, size_text(step.size), escaped(step.key), _why(step)) for step in steps]
    return list(columns(rows, right=frozenset({1})))


def _why(step: StepShape) -> str:
    if step.error is not None:
        return f"{step.state}: {escaped(step.error)}"
    return f"{escaped(step.reason)}, done" if step.state is StepState.DONE else escaped(step.reason)


def summary(job: JobShape) -> str:
    """What a job has done, or would do, in one line."""
    now = job.progress
    dry = job.reason == DRY_RUN
    files, gone = (now.files_total, now.deleted_total) if dry else (now.files, now.deleted)
    sent = "brought back" if job.chore == "undo" else "sent"
    parts = []
    if files:
        size = now.bytes_total if dry else now.bytes
        parts.append(
            f"{count_text(files, 'file')} {'to send' if dry else sent}{f' ({size_text(size)})' if size else ''}"
        )
    if gone:
        parts.append(f"{gone:,} {'to delete' if dry else 'deleted'}")
    if now.unchanged:
        parts.append(f"{now.unchanged:,} unchanged")
    if now.errors:
        parts.append(f"{now.errors:,} failed")
    return ", ".join(parts) or ("nothing to do" if job.state is JobState.SUCCEEDED else "nothing done")
