"""Measure Kist against peers, or against a bare minimum, and print one table of ratios.

    python -m bench [names…] [--short] [--rounds 7] [--folder DIR]

Every server runs in a process of its own on the first core, the load on the last. Both sides of a ratio are measured
in one run, in turn; what counts is the median. A goal that is missed is reported as missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import (
    auditing,
    creating,
    crowdbotics,
    dabapps,
    django_creating,
    downloading,
    following,
    linking,
    memory,
    objects,
    pages,
    postgres,
    presigning,
    reading,
    sealing,
    syncano,
    syncing,
    ticketing,
    uploading,
)
from bench.figures import Finding, Plan
from bench.machine import CLIENT_CORE, Absent, description, on_core
from bench.table import table
from tests.servers.server import NotStarted

ROWS: dict[str, Callable[[Plan], Iterator[Finding]]] = {
    "reading": reading.measure,
    "creating": creating.measure,
    "uploading": uploading.measure,
    "downloading": downloading.measure,
    "presigning": presigning.measure,
    "objects": objects.measure,
    "memory": memory.measure,
    "crowdbotics": crowdbotics.measure,
    "pages": pages.measure,
    "ticketing": ticketing.measure,
    "ticketing-django": ticketing.measure_django,
    "postgres-tickets": postgres.tickets,
    "postgres-processes": postgres.processes,
    "postgres-queue": postgres.queue,
    "dabapps": dabapps.measure,
    "django": django_creating.measure,
    "django-boto3": django_creating.measure_boto3,
    "following": following.measure,
    "linking": linking.measure,
    "syncano": syncano.measure,
    "sealing": sealing.measure,
    "auditing": auditing.measure,
    "sync-small": syncing.small,
    "sync-same": syncing.same,
    "sync-many": syncing.many,
    "sync-million": syncing.million,
    "sync-far": syncing.far,
    "sync-large": syncing.large,
    "sync-scan": syncing.scan,
    "sync-durable": syncing.durable,
}


def main() -> None:
    options = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("names", nargs="*", metavar="names", help=f"which to measure: {' '.join(ROWS)} (default: all)")
    options.add_argument("--short", action="store_true", help="shorter rounds, smaller data: for trying the benchmarks")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--folder", type=Path, help="where the servers keep their data [the temporary folder]")
    given = options.parse_args()
    if unknown := set(given.names) - set(ROWS):
        options.error(f"there is nothing named {', '.join(sorted(unknown))}")
    findings: list[Finding] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kist-bench-", dir=given.folder) as name, on_core(CLIENT_CORE):
        plan = Plan(Path(name), given.rounds, given.short)
        about = description(plan.folder)
        for row in given.names or ROWS:
            try:
                for finding in ROWS[row](plan):
                    print(table([finding]).splitlines()[-1], file=sys.stderr, flush=True)
                    findings.append(finding)
            except (Absent, NotStarted) as reason:
                left_out.append(f"{row} was left out: {reason}")
    print(table(findings))
    print("", f"{about}.", *left_out, sep="\n")


if __name__ == "__main__":
    main()
