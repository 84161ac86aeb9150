"""Lists a part of a bucket as a sync does, and prints how long that took.

    python -m bench.list_client ranges|chain BUCKET PREFIX

Settings come from the environment. The marks of the ranges come from the manifest in the catalogue.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence

import uvloop
from bench.sync_client import peak

from kist.app import open_ports
from kist.settings import read_settings
from kist.sync.bucket import BucketTree
from kist.sync.ranges import RANGE, listed
from kist.system import SystemClock, SystemIds


async def main(how: str, bucket: str, prefix: str) -> dict[str, float]:
    ports = await open_ports(read_settings(), SystemClock(), SystemIds())
    tree = BucketTree(ports.store, bucket, prefix, md5_etags=True)

    async def marks(after: str) -> Sequence[str]:
        return await ports.catalogue.marks(tree.name, RANGE, after)

    begun, objects, last = time.perf_counter(), 0, ""
    async for batch in listed(tree, marks) if how == "ranges" else tree.items():
        assert last < batch[0].key
        objects, last = objects + len(batch), batch[-1].key
    seconds = time.perf_counter() - begun
    await ports.store.close()
    await ports.catalogue.close()
    return {"objects": objects, "seconds": seconds, "peak": peak()}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(*sys.argv[1:4]))))
