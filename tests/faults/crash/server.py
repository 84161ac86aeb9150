"""A Kist server that tests kill: as ``kist serve``, but with short spans of time and with failpoints.

Reads its settings and the failpoints from the environment and prints its URL once it takes connections.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import sys
from datetime import timedelta

from tests.faults.rig.home import compose

from kist.app import dialects
from kist.asgi.app import build_asgi
from kist.asgi.logs import log_to
from kist.asgi.options import HostOptions
from kist.asgi.serving import address_of, bind, run, serve
from kist.chores.schedule import CHORES, run_schedule
from kist.model.limits import Limits
from kist.settings import read_settings
from kist.system import SystemClock, SystemIds
from kist.testing.failpoints import Failpoints


async def main(arguments: argparse.Namespace) -> None:
    clock = SystemClock()
    listener = bind("127.0.0.1", arguments.port)
    url = address_of(listener)
    settings = dataclasses.replace(read_settings(), public_url=url)
    limits = Limits(lease=timedelta(seconds=arguments.lease), read_grace=timedelta(seconds=arguments.grace))
    points = Failpoints.from_environment(clock)
    kist = await compose(settings, clock=clock, ids=SystemIds(), limits=limits, points=points)
    app = build_asgi(kist, dialects(settings), options=HostOptions(base_url=url))
    every = timedelta(seconds=arguments.every)
    # Without turns, whose commits the failpoints would count: it is alone with its home.
    # Without those that look around: a probe cut off leaves objects that only the audit of the next day sweeps.
    chores = tuple(
        dataclasses.replace(chore, every=every, everywhere=True)
        for chore in CHORES
        if chore.name not in ("probe", "audit")
    )
    duty = asyncio.create_task(run_schedule(kist, clock, chores))
    try:
        await serve(app, listener, started=lambda: print(url, flush=True))
    finally:
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)
        await kist.close()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lease", type=float, default=60.0, help="seconds that an upload may show no sign of life")
    parser.add_argument("--grace", type=float, default=60.0, help="seconds that removed bytes stay")
    parser.add_argument("--every", type=float, default=3600.0, help="seconds between two rounds of the chores")
    parser.add_argument("--port", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    log_to(sys.stderr, level=logging.INFO)
    run(main(read_arguments()))
