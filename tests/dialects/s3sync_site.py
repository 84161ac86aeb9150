"""What the scenarios of the S3 Synchronization API are told with: a server with a folder of uploads beside it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.acceptance.served import Answer, Client, Site, disk_settings, s3_settings, serving

from kist.model.content import PutRules
from kist.model.place import Place
from kist.settings import Settings

PATIENCE = 20.0
STEP = 3599
"""What to wait before each operation of a sync that takes its steps from the test."""
LONG = 300
"""A wait that no test sees the end of."""


@dataclass
class Mirror:
    """``uploads`` is the folder that bare sources are below."""

    site: Site
    uploads: Path
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    @property
    def admin(self) -> Client:
        return self.site.admin

    def write(self, path: str, data: bytes = b"data", *, age: float = 100.0) -> Path:
        """A file below the uploads, so many seconds old."""
        file = self.uploads / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        then = time.time() - age
        os.utime(file, (then, then))
        return file

    def ask(self, path: str, client: Client | None = None, **parameters: Any) -> Answer:
        """A GET with the parameters in the query."""
        asked = f"/{path}?{urlencode(parameters)}" if parameters else f"/{path}"
        return (client or self.admin).call("GET", asked)

    def sync(self, **parameters: Any) -> dict[str, Any]:
        """A sync to its end."""
        answer = self.ask("sync", **parameters)
        assert answer.status == 200, answer.body
        return shown(answer.json)

    def begun(self, **parameters: Any) -> tuple[Future[Answer], int]:
        """A sync whose caller waits in a thread, and its number, once it is at work."""
        before = {each["id"] for each in self.ask("runnings").json}
        waiting = self.threads.submit(self.ask, "sync", Client(self.site.url, self.admin.key), **parameters)
        return waiting, eventually(lambda: next((n for n in self.running() if n not in before), None))

    def running(self) -> list[int]:
        return [each["id"] for each in self.ask("runnings").json]

    def get(self, number: int) -> dict[str, Any]:
        return shown(self.ask("get", id=number).json)

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What lies in a bucket, without what is Kist's own."""

        async def read() -> dict[str, bytes]:
            store, found = self.site.kist._ports.store, {}
            async for listed in store.list(bucket):
                if not listed.key.startswith(".kist/"):
                    opened = await store.open(Place(bucket, listed.key))
                    found[listed.key] = b"".join([block async for block in opened.body])
                    await opened.close()
            return found

        return self.site.run(read())

    def plant(self, bucket: str, key: str, data: bytes = b"foreign") -> None:
        """Put an object into the store that no sync knows."""

        async def put() -> None:
            await self.site.kist._ports.store.put(Place(bucket, key), blocks(data), PutRules(size=len(data)))

        self.site.run(put())

    def buckets(self) -> set[str]:
        return {bucket["name"] for bucket in self.admin.call("GET", "/v1/buckets").json["items"]}

    @contextmanager
    def stepping(self) -> Iterator[Callable[[int], None]]:
        """Syncs with ``wait=STEP`` do so many operations as the function that is given is told, and no more."""
        clock, loop = self.site.kist._ports.clock, self.site.loop
        gate, pause = asyncio.Semaphore(0), clock.pause

        async def held(seconds: float) -> None:
            await (gate.acquire() if seconds == STEP else pause(seconds))

        def go(operations: int) -> None:
            for _ in range(operations):
                loop.call_soon_threadsafe(gate.release)

        clock.pause = held  # type: ignore[method-assign]
        try:
            yield go
        finally:
            clock.pause = pause  # type: ignore[method-assign]

    def jobs(self) -> int:
        """How many syncs were ever begun."""
        return len(self.site.run(self.site.kist._ports.catalogue.jobs(None, 1000)))


async def blocks(data: bytes) -> Any:
    yield data


def shown(answer: Any) -> dict[str, Any]:
    """A sync object, which has these three fields and no other."""
    assert list(answer) == ["id", "status", "progress"], answer
    assert type(answer["id"]) is int
    return dict(answer)


def refused(answer: Answer, status: int, *words: str) -> None:
    """A refusal in the shape that clients of the contract read, which tells nothing of the server."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer.body
    assert (list(answer.json), answer.json["id"], answer.json["progress"]) == (["id", "status", "progress"], None, "0%")
    assert answer.json["status"].startswith("error (")
    for word in words:
        assert word in answer.json["status"]
    for leak in (b"Traceback", b".py", b"sqlite", b"SELECT"):
        assert leak not in answer.body


def eventually(look: Any) -> Any:
    """What ``look`` gives, once it gives something."""
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.05)
    return found


def folder(mirror: Mirror, files: int = 3) -> str:
    """A new folder of the uploads; its name."""
    name = f"case-{uuid.uuid4().hex[:8]}"
    for number in range(files):
        mirror.write(f"{name}/{number:03}", b"%d" % number)
    return name


def synced(mirror: Mirror, files: int = 3) -> tuple[str, str]:
    """A folder and a bucket in step with it."""
    source, dest = folder(mirror, files), new_bucket()
    assert mirror.sync(source=source, dest=dest)["status"] == "success"
    return source, dest


def new_bucket() -> str:
    """A name that no bucket has."""
    return f"sync-{uuid.uuid4().hex[:12]}"


def settings_for(request: pytest.FixtureRequest, kind: str, home: Path, **more: str) -> Settings:
    if kind == "disk":
        return disk_settings(home, **more)
    return s3_settings(home, request.getfixturevalue("rgw"), **more)


@contextmanager
def mirroring(settings: Settings) -> Iterator[Mirror]:
    """A server with its folder of uploads."""
    with serving(settings) as site:
        mirror = Mirror(site, settings.folders.get("uploads", settings.home))
        mirror.uploads.mkdir(parents=True, exist_ok=True)
        yield mirror
        mirror.threads.shutdown(wait=False, cancel_futures=True)


@pytest.fixture(scope="module", params=["disk", "rgw"])
def mirror(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A server on each kind of store."""
    with mirroring(settings_for(request, request.param, tmp_path_factory.mktemp("home"))) as found:
        yield found


@pytest.fixture(scope="module", params=["disk", "rgw"])
def removing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """The same, whose operator lets syncs remove buckets."""
    home = tmp_path_factory.mktemp("home")
    with mirroring(settings_for(request, request.param, home, KIST_SYNC_REMOVE_BUCKET="1")) as found:
        yield found
