"""Every command with its arguments and options for ``docs/reference/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click
from scripts.reference_tables import table

from kist import exits
from kist.cli.program import COMMANDS, program

_CODES = (
    (exits.DONE, "done, or there was nothing to do"),
    (exits.REFUSED, "refused: change something (also for a command line that is wrong)"),
    (exits.NEEDS_CONFIRMATION, "something would be destroyed, and nobody said yes"),
    (exits.PARTLY_DONE, "some files were done, some were not; each that was not is named"),
    (exits.BROKEN, "broken: an operator has to mend something"),
    (exits.TRY_LATER, "try later: nothing is wrong with what was asked"),
    (exits.STOPPED, "stopped by Ctrl-C"),
)


def tree() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups before what is in them."""
    context = click.Context(program, info_name="kist")
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        yield f"kist {name}", command
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                yield f"kist {name} {inner}", command.commands[inner]


def commands() -> str:
    """One section for each command."""
    return "\n\n".join(_section(name, command) for name, command in tree())


def exit_codes() -> str:
    """What the number says that a command leaves with."""
    return table(("code", "meaning"), [(f"{code}", meaning) for code, meaning in _CODES])


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *(piece for piece in command.collect_usage_pieces(context))])
    lines = [f"### {name}", "", f"`{usage}`", "", *_paragraphs(command)]
    rows = [_option(each, context) for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if rows:
        lines += [table(("option", "meaning"), rows), ""]
    return "\n".join(lines).rstrip()


def _paragraphs(command: click.Command) -> list[str]:
    lines: list[str] = []
    for paragraph in (command.help or "").split("\n\n"):
        lines += [" ".join(paragraph.split()), ""]
    return lines


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in option.opts)
    metavar = "" if option.is_flag else f" {option.make_metavar(context).replace('|', ' or ')}"
    meaning = option.help or ""
    if option.show_default and option.default is not None:
        meaning += f" [default: {option.default}]"
    return names + metavar, meaning
