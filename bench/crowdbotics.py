"""How much memory an upload by the contract of the Crowdbotics uploader takes when it goes on to Ceph's gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench import direct, programs
from bench.figures import Finding, Goal, Plan, Spread
from bench.load import MIB, Line
from bench.machine import CLIENT_CORE, SERVER_CORE, on_core, peak_rss
from tests.acceptance.served import Client
from tests.servers.rgw import rgw

from kist.app import FIRST_ADMIN
from kist.dialects.crowdbotics.addresses import SERVICE

GOAL = Goal(120, "MiB", at_least=False)
FIELDS = {"bucket": "bench-crowd", "user_id": FIRST_ADMIN}


def measure(plan: Plan) -> Iterator[Finding]:
    """One round each: the peak of a process is what it is."""
    size = (32 if plan.short else 256) * MIB
    with on_core(SERVER_CORE), rgw() as server:
        settings = direct.settings(server.endpoint, server.key, server.secret)
        for order, before, after in (("fields first", FIELDS, {}), ("file first", {}, FIELDS)):
            home = plan.folder / order.replace(" ", "-")
            with programs.kist(home, settings, core=CLIENT_CORE) as kist:
                yield _one(kist, size, order, before, after)


def _one(kist: programs.Program, size: int, order: str, before: Mapping[str, str], after: Mapping[str, str]) -> Finding:
    Client(kist.url, kist.key).call("POST", f"{SERVICE}/bucket/create/", {"bucket": FIELDS["bucket"]})
    line, idle = Line(kist), peak_rss(kist.pid)
    line.form(f"{SERVICE}/file/upload/", size, before, after)
    line.close()
    peak = peak_rss(kist.pid)
    what = f"peak RSS, a Crowdbotics upload of {size // MIB} MiB to Ceph, {order}"
    ours = f"{peak / MIB:.0f} MiB, {idle / MIB:.0f} MiB before"
    return Finding(what, Spread.of([peak / MIB]), ours, goal=GOAL, unit="MiB")
