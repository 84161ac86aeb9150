"""An audit of a million rows and as many objects: how much memory it takes, and how long."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.audit_client import OFF, files
from bench.figures import Finding, Goal, Plan, Spread
from bench.listing import fill
from bench.machine import SERVER_CORE, on_core

GOAL = Goal(200, "MiB", at_least=False)


def measure(plan: Plan) -> Iterator[Finding]:
    count = 100_000 if plan.short else 1_000_000
    path = plan.folder / "auditing.sqlite"
    fill(path, files(count))
    with on_core(SERVER_CORE):
        done = subprocess.run(
            [sys.executable, "-m", "bench.audit_client", str(path), str(count)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    path.unlink()
    found = json.loads(done.stdout)
    assert (found["files"], found["objects"], found["lost"], found["strays"]) == (count, count, OFF, OFF), found
    what = f"peak RSS, an audit of {count:,} rows and objects"
    ours = f"{found['peak']:.0f} MiB, {found['idle']:.0f} MiB before; {found['seconds']:.1f} s"
    yield Finding(what, Spread.of([found["peak"]]), ours, goal=GOAL, unit="MiB")
