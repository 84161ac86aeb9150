"""A home and its store for one experiment: filled beforehand, recovered and looked at afterwards."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from tests.faults.rig.client import Client, Ledger, sha256
from tests.faults.rig.home import compose
from tests.faults.rig.s3_objects import S3Bucket, s3_client
from tests.servers.server import S3Server

from kist.chores.erase import erase
from kist.chores.expire import expire
from kist.chores.settle import settle
from kist.model.actor import Actor, Role
from kist.model.query import FileQuery
from kist.model.upload import Intent
from kist.service.kist import Kist
from kist.settings import read_settings
from kist.system import SystemClock, SystemIds
from kist.testing.checker import Folder, Objects, check, read_log

T = TypeVar("T")

ANN, ROOT = Actor("ann"), Actor("root", Role.ADMIN)
OLD = b"old content " * 1000


class LaterClock(SystemClock):
    """The machine's clock, some seconds ahead: deadlines pass without waiting."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._ahead


@dataclass
class Site:
    """``kept`` is a file of ann's that is there from the start, with the content ``OLD``; ``key`` is ann's."""

    home: Path
    store: dict[str, str]
    objects: Objects
    key: str = ""
    kept: str = ""
    server: str | None = None
    """The URL of the PostgreSQL that holds the rows, if one does."""

    def __post_init__(self) -> None:
        self.settings = {"KIST_HOME": str(self.home), **self.store}
        if self.server is not None:
            self.settings |= {"KIST_DATABASE": self.server, "KIST_SECRET": secrets.token_hex(32)}
        self.ledger = Ledger(self.home.with_suffix(".jsonl"))

    @property
    def database(self) -> Path | str:
        return self.server or self.home / "kist.sqlite"

    def client(self, url: str, *, timeout: float = 40.0, pause: float = 0) -> Client:
        return Client(url, self.key, self.ledger, timeout=timeout, pause=pause)

    def fill(self) -> None:
        """Make the home, the key and the file."""

        async def fill(kist: Kist) -> None:
            _, self.key = await kist.keys.create(ROOT, ANN.id)
            number = self.ledger.ask("put", name="kept", sha256=sha256(OLD))
            file = await kist.uploads.receive(ANN, Intent(name="kept", size=len(OLD)), _body(OLD))
            self.ledger.done(number, file.id)
            self.kept = file.id

        self.alone(fill)

    def recover(self, *, after: float = 300.0) -> int:
        """Start again ``after`` so many seconds and let the chores run. Returns how much they did."""

        async def recover(kist: Kist) -> int:
            return await settle(kist) + await expire(kist) + await erase(kist)

        return self.alone(recover, after=after)

    def alone(self, work: Callable[[Kist], Coroutine[None, None, T]], *, after: float = 0.0) -> T:
        """Do something with a Kist of this process."""

        async def run() -> T:
            settings = read_settings(self.settings, self.home)
            kist = await compose(settings, clock=LaterClock(after), ids=SystemIds())
            try:
                return await work(kist)
            finally:
                await kist.close()

        return asyncio.run(run())

    def violations(self, *, settled: bool = True) -> list[str]:
        return check(self.database, self.objects, read_log(self.ledger.path), settled=settled)

    def contents(self) -> dict[str, bytes]:
        """The files of ann by their names, as a client would read them."""

        async def read(kist: Kist) -> dict[str, bytes]:
            found = {}
            for file in (await kist.files.page(ANN, FileQuery())).items:
                opened = await kist.downloads.open(ANN, file)
                found[file.name] = b"".join([block async for block in opened.body])
                await opened.close()
            return found

        return self.alone(read)

    def copied(self, home: Path) -> Site:
        """This site on disk as it was filled, somewhere else."""
        shutil.copytree(self.home, home)
        shutil.copy(self.ledger.path, home.with_suffix(".jsonl"))
        copy = disk_site(home)
        copy.key, copy.kept = self.key, self.kept
        copy.ledger.begin_after(100)
        return copy


def disk_site(home: Path) -> Site:
    return Site(home, {}, Folder(home / "objects"))


def s3_site(home: Path, server: S3Server, *, through: str | None = None, rows: str | None = None) -> Site:
    """A site in a new bucket. ``through``: the endpoint of a proxy that stands before the server; ``rows``: the URL of
    the PostgreSQL to use instead of SQLite."""
    bucket = f"kist-{secrets.token_hex(6)}"
    s3_client(server).create_bucket(Bucket=bucket)
    return Site(home, s3_store(server, bucket, through), S3Bucket(server, bucket), server=rows)


def s3_store(server: S3Server, bucket: str, through: str | None = None) -> dict[str, str]:
    endpoint = quote(through or server.endpoint)
    return {
        "KIST_STORE": f"s3://{bucket}?endpoint={endpoint}&region={server.region}",
        "KIST_S3_KEY": server.key,
        "KIST_S3_SECRET": server.secret,
    }


async def _body(data: bytes) -> AsyncIterator[bytes]:
    yield data
