"""``manage.py kist_sync``: a folder and a bucket of this Kist in step, as ``kist sync`` does it.

Other S3 servers are for ``kist sync`` alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kist.app import Assembled
from kist.django.management.running import carry_out, failure, size_text, stopping
from kist.django.working import COMMAND, opened
from kist.errors import KistError, LeaseLost, Stopped, error_in
from kist.exits import NEEDS_CONFIRMATION, PARTLY_DONE
from kist.model.job import Act, Compare, Job, JobState, Step, StepState, SyncOptions
from kist.service.jobs import MOST_AT_ONCE
from kist.setting_texts import parse_speed
from kist.system import SystemIds

LOOK = 0.5
PAGE = 500
CONFIRMED = 3
"""How often a plan is said yes to that changes meanwhile."""
OPTIONS = ("delete", "dry_run", "max_delete", "immutable", "rate", "at_once")


class Command(BaseCommand):
    """Starts a job and carries it out here."""

    help = "Make DEST what SOURCE is. Each is a folder (/…, ./…, ../… or ~…), or BUCKET[/PREFIX]."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The options of ``kist sync``."""
        parser.add_argument("source", metavar="SOURCE")
        parser.add_argument("dest", metavar="DEST")
        flag: dict[str, Any] = {"action": "store_true"}
        parser.add_argument("--delete", help="delete what SOURCE has no more, of what a sync put there", **flag)
        parser.add_argument("--dry-run", help="only show what would be done", **flag)
        parser.add_argument("--compare", choices=[each.value for each in Compare], default=Compare.TIME.value)
        parser.add_argument("--include", action="append", default=[], metavar="PATTERN", help="only keys like that")
        parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="no keys like that")
        parser.add_argument("--max-delete", type=int, default=SyncOptions().max_delete, help="more wait for a yes")
        parser.add_argument("--immutable", help="fail rather than overwrite anything", **flag)
        parser.add_argument("--rate", type=_rate, help="bytes a second at most, like 500K or 10M")
        parser.add_argument("--at-once", type=int, metavar="N", help=f"files at a time, at most {MOST_AT_ONCE}")
        parser.add_argument("--background", help="leave it to kist_worker", **flag)
        parser.add_argument("--yes", "-y", help="delete however much is to be deleted", **flag)

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry it out, and leave with the exit code that fits."""
        wanted = SyncOptions(
            compare=Compare(options["compare"]),
            include=tuple(options["include"]),
            exclude=tuple(options["exclude"]),
            **{name: options[name] for name in OPTIONS},
        )
        ends = _end_of(options["source"]), _end_of(options["dest"])
        if ends[1].startswith("/") and not wanted.dry_run:
            with suppress(OSError):  # the job says what is wrong with it
                os.mkdir(ends[1])
        job, steps = carry_out(_sync(ends, wanted, background=options["background"], yes=options["yes"]))
        self._tell(job, steps, plan=wanted.dry_run)

    def _tell(self, job: Job, steps: list[Step], *, plan: bool) -> None:
        for step in steps:
            if plan and step.act is not Act.NOTE:
                self.stdout.write(f"{step.act.value}  {size_text(step.size)}  {step.key!a}  {step.reason}")
            elif step.act is Act.NOTE or step.state is StepState.FAILED:
                word = "failed" if step.state is StepState.FAILED else "skipped"
                self.stderr.write(f"{word}  {step.key!a}: {step.error or step.reason}")
        self._tell_end(job)

    def _tell_end(self, job: Job) -> None:
        told = f"job {job.number}"
        match job.state:
            case JobState.FAILED:
                raise failure(error_in(job.reason), before=f"{told} failed: ")
            case JobState.CANCELLED:
                raise failure(Stopped(f"{told} was cancelled"))
            case JobState.NEEDS_CONFIRMATION:
                said = job.reason.removesuffix(": confirm the job")
                raise CommandError(f"nothing was done yet: {said}: --yes does it", returncode=NEEDS_CONFIRMATION)
            case JobState.SUCCEEDED_WITH_ERRORS:
                raise CommandError(f"{told}: {_summary(job)}", returncode=PARTLY_DONE)
            case JobState.SUCCEEDED:
                self.stdout.write(f"{told}: {_summary(job)}")
            case _:
                self.stdout.write(f"{told} is {job.state.value}: kist_worker carries it out")


async def _sync(ends: tuple[str, str], wanted: SyncOptions, *, background: bool, yes: bool) -> tuple[Job, list[Step]]:
    async with opened() as made:
        jobs = made.kist.jobs
        job = await jobs.start(COMMAND, *ends, wanted)
        if background:
            return job, []
        asked: list[asyncio.Task[Job]] = []

        def cancel() -> None:
            if not asked:
                asked.append(asyncio.create_task(jobs.cancel(COMMAND, job.id)))

        with stopping(cancel):
            job = await _followed(made, job)
            for _ in range(CONFIRMED):
                if not yes or job.state is not JobState.NEEDS_CONFIRMATION:
                    break
                await jobs.confirm(COMMAND, job.id, job.plan)
                job = await _followed(made, job)
        for task in asked:
            with suppress(KistError):
                await task
        return job, await _steps(made, job)


async def _followed(made: Assembled, job: Job) -> Job:
    """The job once it has ended or waits for a yes: carried out here, or watched where another worker was quicker."""
    name = SystemIds().token()
    while (job := await made.kist.jobs.get(COMMAND, job.id)).state.wants_worker:
        lease = await made.work.claimed(job, name)
        if lease is None:
            await asyncio.sleep(LOOK)
        else:
            with suppress(LeaseLost):  # another worker goes on with it
                await made.work.carry_out(lease)
    return job


async def _steps(made: Assembled, job: Job) -> list[Step]:
    found: list[Step] = []
    while page := await made.kist.jobs.steps(COMMAND, job.id, PAGE, found[-1].key if found else ""):
        found += page
    return found


def _summary(job: Job) -> str:
    now = job.progress
    counts = {"sent": now.files, "deleted": now.deleted, "unchanged": now.unchanged, "failed": now.errors}
    if job.options.dry_run:
        counts = {"to send": now.files_total, "to delete": now.deleted_total, "unchanged": now.unchanged}
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "nothing to do"


def _end_of(text: str) -> str:
    """An end as jobs know it: a folder of this machine by its whole path."""
    if text.startswith(("/", "~", "./", "../")) or text in (".", ".."):
        return os.path.realpath(os.path.expanduser(text))
    return text


def _rate(text: str) -> int:
    try:
        return parse_speed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
