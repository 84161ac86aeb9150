"""Options that many commands take, before or after the command's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Options:
    """What the caller chose for the whole run. ``server`` None: the local home."""

    server: str | None = None
    act_as: str | None = None
    json: bool = False
    debug: bool = False


def chosen() -> Options:
    """The options of the command that is running."""
    return click.get_current_context().ensure_object(Options)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value not in (None, False):
        setattr(context.ensure_object(Options), str(parameter.name), value)


def _option(*names: str, **words: Any) -> Callable[[F], F]:
    return click.option(*names, callback=_keep, expose_value=False, **words)


SERVER = _option(
    "--server", "server", metavar="URL", help="Talk to the server there, with the key in KIST_KEY. [KIST_SERVER]"
)
ACT_AS = _option("--as", "act_as", metavar="ID", help="Act for the user with this id.")
JSON = _option("--json", "json", is_flag=True, help="Print the result as JSON.")
DEBUG = _option("--debug", "debug", is_flag=True, help="Show where an error comes from.")


def client_options(command: F) -> F:
    """For commands that work on a home or on a server."""
    return SERVER(ACT_AS(JSON(DEBUG(command))))
