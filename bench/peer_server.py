"""A peer as a process of its own: uvicorn with uvloop and httptools, one worker, no access log."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvicorn
import uvloop
from bench.peers import PEERS

from kist.asgi.serving import address_of, bind


async def main(name: str, folder: Path) -> None:
    listener = bind("127.0.0.1", 0)
    app = PEERS[name](folder)
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=600,  # it waits while the other side has its turn
    )
    print(json.dumps({"url": address_of(listener)}), flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], Path(sys.argv[2])))
