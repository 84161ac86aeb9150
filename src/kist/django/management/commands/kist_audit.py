"""``manage.py kist_audit``: compare what the rows say with what lies in the store, and mend it if asked."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError

from kist.django.management.running import carry_out, size_text
from kist.django.working import opened
from kist.exits import NEEDS_CONFIRMATION, PARTLY_DONE
from kist.service.audit import Report

SHOWN = 20


class Command(BaseCommand):
    """Looks, and mends if asked."""

    help = (
        "Compare the rows of files with what lies under .kist/ in the store. What is younger than a day and an hour is "
        "left out: it may be on its way. Leaves with 0 when all fits, else with 4."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The options of ``kist audit``."""
        repair = "erase what no row names, and mark files whose bytes are gone as lost"
        parser.add_argument("--repair", action="store_true", help=repair)
        parser.add_argument("--yes", "-y", action="store_true", help="do not ask before a repair")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Audit, and leave with the exit code that fits."""
        if options["repair"] and not options["yes"]:
            self._confirm(carry_out(_run(repair=False)))
        report = carry_out(_run(options["repair"]))
        if options["json"]:
            self.stdout.write(msgspec.json.encode(report).decode())
        else:
            self._show(report, options["repair"])
        if not report.clean:
            raise CommandError("rows and objects did not fit", returncode=PARTLY_DONE)

    def _confirm(self, report: Report) -> None:
        """Ask before anything that has no way back."""
        leftovers = report.strays + report.open_parts
        if not leftovers and not report.lost:
            return
        held = size_text(report.stray_bytes + report.open_bytes)
        what = f"erase {leftovers} leftovers, {held}, and mark {report.lost} files as lost"
        if not sys.stdin.isatty():
            raise CommandError(f"this would {what}: say --yes to do it", returncode=NEEDS_CONFIRMATION)
        if input(f"Really {what}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed", returncode=NEEDS_CONFIRMATION)

    def _show(self, report: Report, repair: bool) -> None:
        self.stdout.write(f"{report.files:,} files and {report.objects:,} objects looked at")
        for found in report.findings[:SHOWN]:
            of = f" of file {found.file}" if found.file else ""
            self.stdout.write(f"  {found.kind}  {size_text(abs(found.size))}  {found.bucket}/{found.key!a}{of}")
        if report.clean:
            self.stdout.write("All fits.")
        elif repair:
            self.stdout.write(f"{report.swept:,} leftovers erased, {report.mended:,} rows mended")
        else:
            self.stdout.write("--repair erases leftovers and marks files as lost: restore lost bytes first")


async def _run(repair: bool) -> Report:
    async with opened() as made:
        report = await made.kist.audit.run(repair=repair)
        if repair:
            await made.kist.upkeep.erase_doomed()
        return report
