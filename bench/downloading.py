"""One large download at a time from disk: Kist's route against nginx and against Starlette's FileResponse."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench import programs
from bench.figures import Finding, Goal, Plan, Sample, compared, interleaved, mebibytes, per_mebibyte
from bench.load import MIB, Line
from bench.nginx_server import nginx

AGAINST_NGINX = Goal(0.6)
AGAINST_STARLETTE = Goal(1.5)
SIZE = 256 * MIB


def measure(plan: Plan) -> Iterator[Finding]:
    folder = plan.folder / "downloading-peers"
    folder.mkdir()
    with (
        programs.kist(plan.folder / "downloading") as kist,
        nginx(folder) as web,
        programs.peer("send", folder) as starlette,
    ):
        target = f"/v1/files/{_put_large(kist, folder / 'content.bin')}/content"
        ours, of_nginx, of_starlette = Line(kist), Line(web), Line(starlette)
        found = interleaved(
            plan.rounds,
            lambda: _download(ours, target),
            lambda: _download(of_nginx, "/content.bin"),
            lambda: _download(of_starlette, "/content.bin"),
        )
    for name, goal, at in (("nginx", AGAINST_NGINX, 1), ("Starlette's FileResponse", AGAINST_STARLETTE, 2)):
        pairs = [(samples[0], samples[at]) for samples in found]
        yield compared(f"download of 256 MiB from disk, against {name}", pairs, mebibytes, cpu=per_mebibyte, goal=goal)
        yield compared("the same per CPU second", pairs, mebibytes, cpu=per_mebibyte, by_cpu=True)


def _download(line: Line, target: str) -> Sample:
    """Four in a row: one alone is over so soon that a single interruption would show."""
    return line.timed(lambda: sum(line.download(target) for _ in range(4)))


def _put_large(kist: programs.Program, copy: Path) -> str:
    """Upload one large file, and put the same bytes where the peers serve them; its id."""
    line = Line(kist)
    line.upload("/v1/files?name=large.bin", SIZE)
    line.close()
    request = urllib.request.Request(f"{kist.url}/v1/files?limit=1", headers=kist.headers)
    with urllib.request.urlopen(request) as reply:
        made: dict[str, str] = json.load(reply)["items"][0]
    request = urllib.request.Request(f"{kist.url}/v1/files/{made['id']}/content", headers=kist.headers)
    with urllib.request.urlopen(request) as reply, copy.open("wb") as file:
        shutil.copyfileobj(reply, file, MIB)
    return made["id"]
