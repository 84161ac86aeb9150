"""What an exit code says."""

from __future__ import annotations

from typing import Any

import click

from kist.errors import Broken, KistError, Stopped, Unavailable

DONE = 0
REFUSED = 2
NEEDS_CONFIRMATION = 3
PARTLY_DONE = 4
BROKEN = 70
TRY_LATER = 75
STOPPED = 130

_CODES: tuple[tuple[type[KistError], int], ...] = ((Unavailable, TRY_LATER), (Broken, BROKEN), (Stopped, STOPPED))


class NeedsConfirmation(click.ClickException):
    """What was asked for would destroy something, and nobody said yes."""

    exit_code = NEEDS_CONFIRMATION

    def show(self, file: Any = None) -> None:
        click.echo(f"kist: {self.message}", file=file, err=True)


def code_of(error: Exception) -> int:
    """The exit code for an error that ended a command, or kept it from doing a part of its work."""
    if isinstance(error, NeedsConfirmation):
        return NEEDS_CONFIRMATION
    return next((code for kind, code in _CODES if isinstance(error, kind)), REFUSED)
