"""``kist audit``: compare what the rows say with what lies in the store, and mend it if asked."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click
import msgspec

from kist.app import build
from kist.cli.exits import NeedsConfirmation
from kist.cli.local import settings_of_home
from kist.cli.options import DEBUG, JSON, chosen
from kist.cli.shown import count_text, escaped, print_json, size_text
from kist.exits import PARTLY_DONE
from kist.service.audit import Finding, Report

SHOWN = 20

_WORDS = {
    "lost": "the bytes of file {file} are gone",
    "found": "the bytes of file {file}, which was lost, are there again",
    "differs": "file {file} has another size than its object",
    "stray": "no row names this object",
    "open": "no row names this multipart upload",
}


@click.command(name="audit", short_help="Compare rows and objects, and mend them.")
@click.option("--repair", is_flag=True, help="Erase what no row names, and mark files whose bytes are gone as lost.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a repair.")
@JSON
@DEBUG
def command(repair: bool, yes: bool) -> None:
    """Compare the rows of the local home with what lies under .kist/ in its store. Nothing else is ever touched.

    What is younger than a day and an hour is left out: it may be on its way. A repair asks first if it would erase
    anything or mark a file as lost. Leaves with 0 when all fits, else with 4.
    """
    if repair and not yes:
        _confirm(asyncio.run(_run(repair=False)))
    report = asyncio.run(_run(repair))
    if chosen().json:
        print_json(msgspec.to_builtins(report))
    else:
        _show(report, repair)
    click.get_current_context().exit(0 if report.clean else PARTLY_DONE)


def _confirm(report: Report) -> None:
    """Ask before anything that has no way back; nothing where the repair would only bring files back."""
    leftovers = report.strays + report.open_parts
    if not leftovers and not report.lost:
        return
    held = size_text(report.stray_bytes + report.open_bytes)
    what = f"erase {count_text(leftovers, 'leftover')}, {held}, and mark {count_text(report.lost, 'file')} as lost"
    if not sys.stdin.isatty():
        raise NeedsConfirmation(f"this would {what}: say --yes to do it")
    for finding in report.findings[:SHOWN]:
        click.echo(_line(finding), err=True)
    if not click.confirm(f"Really {what}?", err=True):
        raise NeedsConfirmation("nothing was changed")


async def _run(repair: bool) -> Report:
    kist = await build(settings_of_home())
    try:
        report = await kist.audit.run(repair=repair)
        if repair:
            await kist.upkeep.erase_doomed()
        return report
    finally:
        await kist.close()


def _show(report: Report, repair: bool) -> None:
    click.echo(f"{count_text(report.files, 'file')} and {count_text(report.objects, 'object')} looked at")
    for finding in report.findings[:SHOWN]:
        click.echo(_line(finding))
    if len(report.findings) > SHOWN:
        click.echo(f"  and {len(report.findings) - SHOWN} more: --json names a thousand")
    if report.clean:
        click.echo("All fits.")
    elif repair:
        click.echo(f"{count_text(report.swept, 'leftover')} erased, {count_text(report.mended, 'row')} mended")
    else:
        click.echo(_advice(report))


def _line(finding: Finding) -> str:
    words = _WORDS[finding.kind].format(file=finding.file)
    return f"  {finding.kind:8}{size_text(abs(finding.size)):>8}  {escaped(f'{finding.bucket}/{finding.key}')}: {words}"


def _advice(report: Report) -> str:
    held = report.stray_bytes + report.open_bytes
    advice: list[Any] = []
    if report.strays or report.open_parts:
        advice.append(f"leftovers hold {size_text(held)}: `kist audit --repair` erases them")
    if report.found:
        advice.append("`kist audit --repair` makes files ready again whose bytes have come back")
    if report.lost or report.differs:
        advice.append("restore lost bytes from a backup, then audit again; --repair marks their files as lost")
    return "\n".join(advice)
