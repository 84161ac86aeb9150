"""A sync by somebody who may not look into a folder: run as another user, since nothing is hidden from root."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.acceptance.served import disk_settings
from tests.sync.place import scene

from kist.model.job import Act


async def main(home: Path) -> None:
    here = await scene(disk_settings(home / "kist"), home / "folder")
    for key in ("a", "b", "hidden/c", "z"):
        here.write(key)
    await here.sync()
    before = await here.objects()
    (here.folder / "a").unlink()
    for path, mode in ((here.folder / "hidden", 0), (here.folder / "b", 0)):
        path.chmod(mode)
    here.write("new")
    later = (here.folder / "b").stat().st_mtime + 10
    os.utime(here.folder / "b", (later, later))
    job = await here.sync(delete=True, max_delete=1000)
    assert await here.objects() == before | {"new": b"data"}
    said = {step.key: step.error or "" for step in await here.steps(job) if step.act is not Act.DELETE}
    print(job.state.value, job.progress.deleted, "denied" in said["hidden/"], "denied" in said["b"])
    (here.folder / "hidden").chmod(0o700)
    await here.kist.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
