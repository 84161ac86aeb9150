"""Walks a folder as a sync does, and prints how long that took.

python -m bench.scan_client FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

from kist.app import threads
from kist.sync.folder import FolderTree
from kist.system import SystemIds


async def main(folder: Path) -> dict[str, float]:
    begun, files = time.perf_counter(), 0
    async for batch in FolderTree(folder, threads(), SystemIds()).items():
        files += len(batch)
    return {"files": files, "seconds": time.perf_counter() - begun}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(Path(sys.argv[1])))))
