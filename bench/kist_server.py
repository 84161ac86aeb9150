"""Kist as a process of its own, as ``kist serve`` runs it: with the chores, without an access log.

One thing differs: all load comes from one address, so that address may have more uploads under way than usual.
"""

from __future__ import annotations

import asyncio
import json
import socket

from kist.app import build, dialects, first_admin_key
from kist.asgi.app import build_asgi
from kist.asgi.options import HostOptions
from kist.asgi.serving import address_of, bind, run, serve
from kist.chores.schedule import run_schedule
from kist.settings import read_settings
from kist.system import SystemClock


async def main(listener: socket.socket) -> None:
    settings = read_settings()
    kist = await build(settings)
    url = address_of(listener)
    key = await first_admin_key(kist, settings.home)
    app = build_asgi(kist, dialects(settings), options=HostOptions(base_url=url, uploads_per_address=256))
    chores = asyncio.create_task(run_schedule(kist, SystemClock()))
    await serve(app, listener, started=lambda: print(json.dumps({"url": url, "key": key}), flush=True))
    chores.cancel()
    await asyncio.gather(chores, return_exceptions=True)
    await kist.close()


if __name__ == "__main__":
    run(main(bind("127.0.0.1", 0)))
