"""Carries out one sync as a job in a process of its own, as ``kist sync`` does, and prints how it ended.

    python -m bench.sync_client SOURCE DEST

Settings come from the environment. ``KIST_DATABASE=memory:`` is the same engine without anything that lasts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvloop

from kist.app import assemble
from kist.model.actor import Actor, Role
from kist.model.job import Job
from kist.settings import read_settings

ROOT = Actor("root", Role.ADMIN)
SELF = "bench"


async def main(source: str, dest: str) -> Job:
    made = await assemble(read_settings())
    try:
        job = await made.kist.jobs.start(ROOT, source, dest)
        lease = await made.work.claimed(job, SELF)
        assert lease is not None
        return await made.work.carry_out(lease)
    finally:
        await made.kist.close()


def peak() -> int:
    """The most memory, in KiB, that this process has had at once."""
    status = Path("/proc/self/status").read_text()  # not by bench.machine: what it imports is no part of a sync
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ended = runner.run(main(*sys.argv[1:3]))
    progress = ended.progress
    found = {"state": ended.state.value, "reason": ended.reason, "peak": peak()}
    print(json.dumps(found | {"files": progress.files, "bytes": progress.bytes, "unchanged": progress.unchanged}))
