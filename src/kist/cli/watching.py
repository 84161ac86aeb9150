"""How far a job is: a bar on a terminal, a plain line now and then elsewhere, nothing where JSON is wanted."""

from __future__ import annotations

import sys
from typing import Any

import click

from kist.cli.bars import Bar
from kist.cli.shown import count_text, escaped, size_text
from kist.dialects.native.syncs import JobShape
from kist.model.job import JobState
from kist.system import SystemClock

EVERY = 5.0
"""Seconds between plain lines; the first comes after so many."""
ticks = SystemClock().ticks


class Watch(Bar):
    """Shows a job while the block runs. ``silent``: say nothing."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._said = ticks()

    def __enter__(self) -> Watch:
        if not self._silent and sys.stderr.isatty():
            self._start(_columns, "", total=None, counts="")
        return self

    def told(self, job: JobShape) -> None:
        """The job is so far now."""
        if self._bar is not None:
            done, total = _measure(job)
            what = escaped(job.progress.current) or str(job.state)
            planned = job.state in (JobState.RUNNING, JobState.CANCELLING)
            self._bar.update(
                self._task, completed=done, total=total if planned else None, description=what[:40], counts=counts(job)
            )
        elif not self._silent and ticks() - self._said >= EVERY:
            self._said = ticks()
            click.echo(f"job {job.number}: {line(job)}", err=True)


def line(job: JobShape) -> str:
    """How far a job is, in one line."""
    parts = [f"{job.state}, {counts(job)}"]
    left = job.progress.bytes_total - job.progress.bytes
    if job.progress.rate and left > 0:
        parts.append(f"{duration(left / job.progress.rate)} left")
    return ", ".join(parts)


def counts(job: JobShape) -> str:
    """What is done of what there is to do, and how fast."""
    now = job.progress
    parts = [f"{now.files:,}/{count_text(now.files_total, 'file')}"]
    if now.bytes_total:
        parts.append(f"{size_text(now.bytes)} of {size_text(now.bytes_total)}")
    if now.deleted_total:
        parts.append(f"{now.deleted:,}/{now.deleted_total:,} deleted")
    if now.errors:
        parts.append(f"{now.errors:,} failed")
    if now.rate:
        parts.append(f"{size_text(int(now.rate))}/s")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time that something takes: ``12 s``, ``3 min``, ``2 h 5 min``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _measure(job: JobShape) -> tuple[int, int]:
    """Bytes where there are any to send, else operations."""
    now = job.progress
    if now.bytes_total:
        return now.bytes, now.bytes_total
    return now.files + now.deleted + now.errors, now.files_total + now.deleted_total


def _columns() -> tuple[Any, ...]:
    from rich.progress import TextColumn

    return (TextColumn("{task.fields[counts]}", markup=False),)
