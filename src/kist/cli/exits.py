"""What ends a command before it destroys anything, and the exit code of that and of every other error."""

from __future__ import annotations

from typing import Any

import click

from kist import exits


class NeedsConfirmation(click.ClickException):
    """What was asked for would destroy something, and nobody said yes."""

    exit_code = exits.NEEDS_CONFIRMATION

    def show(self, file: Any = None) -> None:
        click.echo(f"kist: {self.message}", file=file, err=True)


def code_of(error: Exception) -> int:
    """The exit code for an error that ended a command, or kept it from doing a part of its work."""
    return error.exit_code if isinstance(error, NeedsConfirmation) else exits.code_of(error)
