"""Work on many files: several at once, one bad file does not stop the rest, and the end says what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import click

from kist.cli.exits import code_of
from kist.cli.options import chosen
from kist.cli.shown import columns, count_text, escaped, print_json, size_text
from kist.errors import KistError
from kist.exits import DONE, PARTLY_DONE

WIDTH = 4
TRIES = 3
LONGEST_WAIT = 30.0

T = TypeVar("T")


class State(StrEnum):
    DONE = "done"
    THERE = "there"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one file. ``path``: where it is on this machine. ``error``: why it was left out."""

    name: str
    state: State
    id: str | None = None
    size: int = 0
    sha256: str | None = None
    path: str | None = None
    error: Exception | None = None

    def facts(self) -> dict[str, Any]:
        """For programs."""
        error = self.error
        why = None if error is None else {"code": getattr(error, "code", "refused"), "message": reason(error)}
        facts = {"name": self.name, "state": str(self.state), "id": self.id, "size": self.size,
                 "sha256": self.sha256, "path": self.path, "error": why}  # fmt: skip
        return {name: fact for name, fact in facts.items() if fact is not None}


def failed(name: str, error: Exception) -> Outcome:
    """Nothing was done with this one."""
    return Outcome(name=name, state=State.FAILED, error=error)


def skipped(name: str, error: Exception) -> Outcome:
    """This one was left out on purpose."""
    return Outcome(name=name, state=State.SKIPPED, error=error)


def reason(error: Exception) -> str:
    """Why something failed, in one sentence."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(getattr(error, "message", error))


async def work_through(
    things: Iterable[T] | AsyncIterator[T],
    work: Callable[[T], Awaitable[Outcome]],
    name_of: Callable[[T], str],
    *,
    seen: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Do ``work`` on each of ``things``, ``WIDTH`` at a time, and return the outcomes in their order."""
    waiting = enumerate(things) if isinstance(things, Iterable) else enumerate([thing async for thing in things])
    outcomes: dict[int, Outcome] = {}

    async def worker() -> None:
        for at, thing in waiting:
            try:
                outcome = await work(thing)
            except (KistError, OSError, click.ClickException) as error:
                outcome = failed(name_of(thing), error)
            outcomes[at] = outcome
            seen(outcome)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WIDTH):
                group.create_task(worker())
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from faults  # the first ended the others: it is what matters
    return [outcomes[at] for at in sorted(outcomes)]


async def tried(work: Callable[[], Awaitable[T]], pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> T:
    """The result of ``work``, which is tried again a few times when it fails with what may pass."""
    for count in range(1, TRIES):
        try:
            return await work()
        except KistError as error:
            if not error.retry:
                raise
            after = error.about.get("after")
            await pause(min(float(after), LONGEST_WAIT) if isinstance(after, int | float) else float(count))
    return await work()


def report(verb: str, outcomes: list[Outcome], *, lines: bool = True) -> None:
    """Say what became of the files, and leave with the exit code that fits.

    ``verb``: what was done to those that are done. ``lines``: whether each of these is still to be named.
    """
    if chosen().json:
        print_json({"ok": exit_code(outcomes) == DONE, "files": [outcome.facts() for outcome in outcomes]})
    else:
        good = [outcome for outcome in outcomes if outcome.error is None]
        if lines:
            for line in columns([row(verb, outcome) for outcome in good], right=frozenset({1})):
                click.echo(line)
        for outcome in outcomes:
            if outcome.error is not None:
                told = "\n".join(escaped(line) for line in reason(outcome.error).splitlines())
                word = click.style(f"{outcome.state:<7}", fg="red" if outcome.state is State.FAILED else "yellow")
                click.echo(f"{word}  {escaped(outcome.name)}: {told}", err=True)
        if len(outcomes) > 1:
            click.echo(summary(verb, outcomes), err=True)
    click.get_current_context().exit(exit_code(outcomes))


def row(verb: str, outcome: Outcome) -> tuple[str, str, str]:
    """One line of what was done: the word, the size, the name."""
    word = verb if outcome.state is State.DONE else str(outcome.state)
    return word, size_text(outcome.size), escaped(outcome.name)


def summary(verb: str, outcomes: list[Outcome]) -> str:
    """All of it in one line."""
    parts = []
    for state, word in ((State.DONE, verb), (State.THERE, "there already")):
        if some := [outcome.size for outcome in outcomes if outcome.state is state]:
            parts.append(f"{count_text(len(some), 'file')} {word} ({size_text(sum(some))})")
    for state in (State.SKIPPED, State.FAILED):
        if count := sum(outcome.state is state for outcome in outcomes):
            parts.append(f"{count:,} {state}")
    return ", ".join(parts)


def exit_code(outcomes: list[Outcome]) -> int:
    """0 when all went well, 4 when some did, else what the failures have in common."""
    bad = [outcome.error for outcome in outcomes if outcome.state is State.FAILED and outcome.error is not None]
    codes = {code_of(error) for error in bad}
    if not codes:
        return DONE
    if len(codes) == 1 and len(bad) == len(outcomes):
        return codes.pop()
    return PARTLY_DONE
