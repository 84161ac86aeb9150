"""``kist doctor``: what is wrong with settings, home, database and store, and how to mend it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import textwrap
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import click

from kist.cli.doctor.access import check_access
from kist.cli.doctor.database import check_database
from kist.cli.doctor.database_server import check_database_server, is_on_a_server
from kist.cli.doctor.direct import check_direct, policies
from kist.cli.doctor.endpoint import check_endpoint, endpoint_of
from kist.cli.doctor.finding import Finding, State, bad, good
from kist.cli.doctor.home import check_home, check_store_folder
from kist.cli.doctor.store import check_store
from kist.cli.options import DEBUG, JSON, chosen
from kist.cli.shown import count_text, escaped, print_json
from kist.errors import Misconfigured
from kist.exits import BROKEN
from kist.ports.system import Clock
from kist.settings import Settings, examine_settings
from kist.system import SystemClock, SystemIds

NAME_WIDTH = 11
_MARKS = {State.GOOD: ("✓", "+", "green"), State.DOUBTFUL: ("!", "!", "yellow"), State.BAD: ("✗", "x", "red")}


@click.command(name="doctor", short_help="Say what is wrong, and how to mend it.")
@click.option("--probe", is_flag=True, help="Ask an S3 store again what it holds to, for direct uploads.")
@click.option("--fix", is_flag=True, help="Write the bucket's CORS rule, print the signing key's policy, and probe.")
@JSON
@DEBUG
def command(probe: bool, fix: bool) -> None:
    """Look at settings, home, database and store, and say what is wrong and how to mend it.

    One small object is written to the store, read and removed; a base bucket that is missing is made, as a start
    would. Nothing else is changed without --probe or --fix. Leaves with 0 when all is well, else with 70.
    """
    settings, faults = examine_settings()
    findings = asyncio.run(_collect(settings, faults, show=not chosen().json, further=_Further(probe or fix, fix)))
    if chosen().json:
        print_json({"ok": not _any_bad(findings), "findings": [vars(finding) for finding in findings]})
    else:
        click.echo(f"\n{_summary(findings)}")
        if fix and settings is not None:
            click.echo(f"\n{policies(settings)}")
    click.get_current_context().exit(BROKEN if _any_bad(findings) else 0)


async def examine(
    settings: Settings | None, faults: tuple[Misconfigured, ...], clock: Clock
) -> AsyncGenerator[Finding, None]:
    """All findings, in the order of what depends on what."""
    for fault in faults:
        yield bad("settings", fault.message, "put it right in the environment or in .env")
    if settings is None:
        return
    if not faults:
        yield good("settings", "are understood")
    for finding in check_home(settings):
        yield finding
    if is_on_a_server(settings):
        async for finding in check_database_server(settings):
            yield finding
    else:
        for finding in check_database(settings):
            yield finding
    async for finding in _examine_store(settings, faults, clock):
        yield finding
    for finding in check_access(settings):
        yield finding


async def _examine_store(
    settings: Settings, faults: tuple[Misconfigured, ...], clock: Clock
) -> AsyncGenerator[Finding, None]:
    if any("KIST_S3_" in str(fault.about.get("settings")) for fault in faults):
        return  # with half of its settings, every answer would mislead
    endpoint = endpoint_of(settings)
    if endpoint is not None and endpoint.scheme in ("http", "https") and endpoint.hostname:
        finding = None
        for finding in check_endpoint(endpoint, clock):
            yield finding
        if finding is not None and finding.state is State.BAD:
            return
    elif settings.store.startswith(f"disk:{settings.home}/") and not settings.home.is_dir():
        if not settings.home.exists():
            yield good("store", "is made by the first start")
        return
    for finding in check_store_folder(settings):
        yield finding
        if finding.check == "store":
            return  # there is none yet
    async for finding in check_store(settings, clock, SystemIds()):
        yield finding


@dataclass(frozen=True)
class _Further:
    """What is to be done beside looking."""

    probe: bool = False
    fix: bool = False


async def _collect(
    settings: Settings | None, faults: tuple[Misconfigured, ...], *, show: bool, further: _Further
) -> list[Finding]:
    findings: list[Finding] = []
    async with aclosing(examine(settings, faults, SystemClock())) as found:
        async for finding in found:
            findings.append(_told(finding, show))
    if further.probe and settings is not None and not _any_bad(findings):
        async with aclosing(check_direct(settings, SystemClock(), SystemIds(), fix=further.fix)) as found:
            async for finding in found:
                findings.append(_told(finding, show))
    return findings


def _told(finding: Finding, show: bool) -> Finding:
    if show:
        click.echo(_shown(finding))
    return finding


def _any_bad(findings: list[Finding]) -> bool:
    return any(finding.state is State.BAD for finding in findings)


def _shown(finding: Finding) -> str:
    fine, plain, colour = _MARKS[finding.state]
    mark = click.style(fine if _can_show(fine) else plain, fg=colour)
    indent = " " * (NAME_WIDTH + 5)
    width = max(60, min(shutil.get_terminal_size().columns, 100))
    lines = textwrap.wrap(
        escaped(finding.says), width - len(indent), break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
    shown = [f"  {mark} {finding.check:<{NAME_WIDTH}} {lines[0]}", *(indent + line for line in lines[1:])]
    if finding.mend:
        mend = textwrap.wrap(
            escaped(finding.mend), width - len(indent) - 6, break_long_words=False, break_on_hyphens=False
        )  # fmt: skip
        shown += [f"{indent}mend: {mend[0]}", *(f"{indent}      {line}" for line in mend[1:])]
    return "\n".join(shown)


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _summary(findings: list[Finding]) -> str:
    count_bad = sum(finding.state is State.BAD for finding in findings)
    doubtful = sum(finding.state is State.DOUBTFUL for finding in findings)
    if not count_bad and not doubtful:
        return "All is well."
    parts = [f"{count_text(count_bad, 'thing')} to mend"] if count_bad else []
    parts += [f"{count_text(doubtful, 'thing')} to look at"] if doubtful else []
    return ", ".join(parts).capitalize() + "."
