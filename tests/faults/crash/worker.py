"""A worker that tests kill: carries out the jobs of a home until there are none, with failpoints and a log of calls.

Reads its settings and the failpoints from the environment, and prints a line once it is about to look for jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys
from datetime import timedelta
from typing import Any

from kist.app import join, open_ports, threads
from kist.asgi.logs import log_to
from kist.jobs import lease, worker
from kist.settings import read_settings
from kist.sync import transfer
from kist.system import SystemClock, SystemIds
from kist.testing.failpoints import Failpoints, pointed_catalogue, pointed_store
from kist.testing.watched import Watch, watched
from kist.working import Work


class Logged(Watch):
    """Writes down that a call was carried out. The line is there even if the next thing is SIGKILL."""

    def __init__(self, log: int, call: str, slow: float) -> None:
        self._log = log
        self._call = call
        self._slow = slow

    async def before(self) -> None:
        if self._slow:
            await asyncio.sleep(self._slow)

    async def after(self) -> None:
        os.write(self._log, f"{self._call}\n".encode())


async def main(arguments: argparse.Namespace) -> None:
    lease.LEASE = timedelta(seconds=arguments.lease)
    worker.POLL = 0.05
    transfer.LARGE, transfer.PART = arguments.large, arguments.part
    clock = SystemClock()
    ports = await open_ports(read_settings(), clock, SystemIds())
    points = Failpoints.from_environment(clock)
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store: Any = watched(ports.store, lambda call: Logged(log, call, arguments.slow))
    store, catalogue = pointed_store(store, points), pointed_catalogue(ports.catalogue, points)
    kist = join(ports)
    at_work = Work(dataclasses.replace(ports, store=store, catalogue=catalogue), threads()).worker(kist)
    print("at work", flush=True)
    working = asyncio.create_task(at_work.run())
    while await ports.catalogue.unended_jobs():  # noqa: ASYNC110 - other processes end them as well
        await asyncio.sleep(0.02)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await kist.close()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", help="file to which a line is written for each call of the store that succeeded")
    parser.add_argument("--lease", type=float, default=1.0, help="seconds that a job's worker may show no sign of life")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that each call of the store takes longer")
    parser.add_argument("--large", type=int, default=transfer.LARGE, help="bytes from which on a file goes in parts")
    parser.add_argument("--part", type=int, default=transfer.PART, help="bytes of a part")
    return parser.parse_args()


if __name__ == "__main__":
    log_to(sys.stderr)
    asyncio.run(main(read_arguments()))
