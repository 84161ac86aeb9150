"""How far the work is: a bar on a terminal, plain lines elsewhere, nothing where only the result is wanted."""

from __future__ import annotations

import sys
from typing import Any

import click

from kist.cli.bars import Bar
from kist.cli.outcomes import Outcome, row
from kist.cli.shown import count_text, escaped

MOST_LINES = 20
"""On a terminal, the files are named at the end when they are not more than this."""


class Display(Bar):
    """Shows the work while the block runs. ``silent``: say nothing (JSON, or the bytes themselves go to stdout)."""

    def __init__(self, verb: str, names: list[str], size: int, *, silent: bool) -> None:
        self._verb = verb
        self._count = len(names)
        self._what = escaped(names[0]) if len(names) == 1 else count_text(len(names), "file")
        self._size = size
        self._silent = silent

    @property
    def lines_left(self) -> bool:
        """Whether the files that are done are still to be named, once the work is over."""
        return not self._silent and self._tells_at_end and self._count <= MOST_LINES

    @property
    def _tells_at_end(self) -> bool:
        return sys.stdout.isatty()

    def __enter__(self) -> Display:
        if not self._silent and sys.stderr.isatty() and self._count:
            self._start(_columns, self._what[:40], total=self._size)
        return self

    def passed(self, count: int) -> None:
        """So many bytes more have passed. May be called from any thread."""
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def finished(self, outcome: Outcome) -> None:
        """One file is done with."""
        if self._silent or self._tells_at_end or outcome.error is not None:
            return
        word, size, name = row(self._verb, outcome)
        click.echo(f"{word:<7}  {size:>7}  {name}")


def _columns() -> tuple[Any, ...]:
    from rich.progress import DownloadColumn, TransferSpeedColumn

    return DownloadColumn(), TransferSpeedColumn()
