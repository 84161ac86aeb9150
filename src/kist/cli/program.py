"""The ``kist`` command: loads only the command that runs, and turns errors into words and exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from kist.cli.exits import code_of
from kist.cli.options import ACT_AS, DEBUG, JSON, SERVER, Options
from kist.errors import KistError
from kist.exits import BROKEN, DONE, STOPPED

COMMANDS: dict[str, str] = {
    "serve": "Serve files over HTTP.",
    "worker": "Run jobs and chores alone, beside servers.",
    "migrate": "Bring the database's tables up to date.",
    "doctor": "Say what is wrong, and how to mend it.",
    "key": "Make, list and revoke keys.",
    "put": "Put files and folders into Kist.",
    "get": "Get files and folders out of Kist.",
    "ls": "List files.",
    "rm": "Remove files.",
    "mv": "Give a file another name.",
    "share": "Let other users do something to a file.",
    "link": "Make links that need no key.",
    "bucket": "Make, list and remove buckets.",
    "sync": "Bring a folder and a bucket in step.",
    "job": "List, show and steer syncs.",
    "audit": "Compare rows and objects, and mend them.",
}
"""Each is ``command`` in the module of its name. What stands here is shown by ``kist --help`` without loading it."""


class Program(click.Group):
    """A group that imports a command when it is asked for, and owns the way in and the way out."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"kist.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and leave with the exit code of the table in ``exits``; never with a traceback unless ``--debug``."""
        _forgive_encoding()
        options = Options()
        try:
            code = super().main(*args, **(extra | {"standalone_mode": False, "obj": options}))
        except Exception as error:
            if options.debug:
                raise
            code = _say(error)
        except SystemExit:
            code = STOPPED  # whoever read our output has left
        sys.exit(code if isinstance(code, int) else DONE)


def _forgive_encoding() -> None:
    """On a terminal that cannot show a character, show its escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _say(error: Exception) -> int:
    """Tell the caller what happened and what to do; return the exit code."""
    if isinstance(error, click.exceptions.Abort):
        click.echo("stopped", err=True)
        return STOPPED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else code_of(error)
    if isinstance(error, KistError):
        return _say_known(error)
    click.echo(
        f"kist: unexpected {type(error).__name__}: {error}\nThis is a fault of Kist. --debug shows where.", err=True
    )
    return BROKEN


def _say_known(error: KistError) -> int:
    from kist.cli.shown import escaped

    lines = error.message.splitlines() or [error.code]
    click.echo("kist: " + "\n".join(escaped(line) for line in lines), err=True)
    return code_of(error)


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version  # brings the e-mail parser

        click.echo(f"kist {version('kist')}")
        ctx.exit()


def _drop_colours(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value:
        ctx.color = False


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@SERVER
@ACT_AS
@JSON
@DEBUG
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
@click.option("--no-color", envvar="NO_COLOR", hidden=True, is_eager=True, expose_value=False, callback=_drop_colours)
def program() -> None:
    """Kist: the file service that your application's users put their files into.

    Commands work on the home folder (KIST_HOME, ./kist-data) unless --server or KIST_SERVER names a running server.
    Files are named by id, or by name where that is clear; a folder ends with a slash.
    """
