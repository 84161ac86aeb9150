"""What the commands have in common: an event loop, signals that stop, errors as Django shows them, sizes in words."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from kist.errors import KistError
from kist.exits import code_of

T = TypeVar("T")


def carry_out(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work`` in an event loop of its own. What Kist refuses is a ``CommandError``."""
    try:
        return asyncio.run(work)
    except KistError as error:
        raise failure(error) from error


def failure(error: KistError, before: str = "") -> CommandError:
    """An error of Kist's as Django shows it, with the exit code that the command ``kist`` has for it."""
    return CommandError(f"{before}{error.message}", returncode=code_of(error))


@contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """Call ``stop`` when somebody presses Ctrl-C or ends the process, for as long as the block runs."""
    loop, heard = asyncio.get_running_loop(), []
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(RuntimeError, ValueError, NotImplementedError):  # not in the main thread: others listen there
            loop.add_signal_handler(number, stop)
            heard.append(number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def size_text(size: int) -> str:
    """A size as people read it, with a plain space."""
    return str(filesizeformat(size)).replace("\xa0", " ")
