"""A whole service over memory adapters, which never suspend: tests run it without an event loop, by ``drive``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from kist.catalogues.memory import MemoryCatalogue
from kist.detection import detect
from kist.drive import drive
from kist.model.actor import Actor, Role
from kist.model.file import File
from kist.model.limits import Limits
from kist.model.upload import Intent
from kist.service.entry import Entry
from kist.service.gate import OwnerGate
from kist.service.keys import Keys
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.stores.memory import MemoryStore
from kist.testing.clock import FakeClock, FakeIds

MakeWorld = Callable[[Limits], "World"]

ANN, BOB, ROOT = Actor("ann"), Actor("bob"), Actor("root", Role.ADMIN)
BUCKET = "kist"


async def blocks(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


@dataclass
class World:
    """The service, with the adapters in reach so that tests can look behind it."""

    limits: Limits = field(default_factory=Limits)
    verify_reads: bool = True

    def __post_init__(self) -> None:
        self.clock, self.ids = FakeClock(), FakeIds()
        self.store = self.make_store()
        self.catalogue = MemoryCatalogue(self.clock)
        drive(self.store.make_bucket(BUCKET))
        self.ports = Ports(
            store=self.store,
            catalogue=self.catalogue,
            gate=OwnerGate(),
            clock=self.clock,
            ids=self.ids,
            detect=detect,
            limits=self.limits,
            bucket=BUCKET,
            secret=b"s" * 32,
            verify_reads=self.verify_reads,
        )
        keys = Keys(self.ports)
        self.kist = Kist(self.ports, keys, Entry(keys, self.clock, anonymous={"filedrop": "guest"}))

    def make_store(self) -> MemoryStore:
        return MemoryStore(self.clock, self.ids)

    def put(self, actor: Actor, name: str, data: bytes, **more: object) -> File:
        intent = Intent(name=name, **more)  # type: ignore[arg-type]
        return drive(self.kist.uploads.receive(actor, intent, blocks(data)))

    def read(self, actor: Actor, file_id: str) -> bytes:
        async def whole() -> bytes:
            file = await self.kist.files.get(actor, file_id)
            opened = await self.kist.downloads.open(actor, file)
            try:
                return b"".join([block async for block in opened.body])
            finally:
                await opened.close()

        return drive(whole())

    def objects(self) -> set[str]:
        async def keys() -> set[str]:
            return {listed.key async for listed in self.store.list(BUCKET)}

        return drive(keys())
