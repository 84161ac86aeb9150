"""The façade that hosts, chores and applications hold."""

from __future__ import annotations

from kist.errors import KistError
from kist.model.limits import Limits
from kist.service.door import Door
from kist.service.downloads import Downloads
from kist.service.entry import Entry
from kist.service.files import Files
from kist.service.keys import Keys
from kist.service.ports import Ports
from kist.service.upkeep import Upkeep
from kist.service.uploads import Uploads


class Kist:
    """One file service: its verbs, grouped by noun.

    ``draining`` is set by a host that is stopping: the service goes on, but ``problems`` tells of it.
    """

    def __init__(self, ports: Ports, keys: Keys, entry: Entry) -> None:
        self._ports = ports
        self.files = Files(ports)
        self.uploads = Uploads(ports, self.files)
        self.downloads = Downloads(ports)
        self.door = Door(ports)
        self.keys = keys
        self.entry = entry
        self.upkeep = Upkeep(ports)
        self.draining = False

    @property
    def limits(self) -> Limits:
        """What the operator allows."""
        return self._ports.limits

    async def problems(self) -> dict[str, str]:
        """What keeps this Kist from serving right now, by part; empty when nothing does."""
        found: dict[str, str] = {}
        if self.draining:
            found["server"] = "stopping"
        try:
            await self._ports.catalogue.ping()
        except KistError as error:
            found["database"] = error.code
        try:
            await self._reach_store()
        except KistError as error:
            found["store"] = error.code
        return found

    async def close(self) -> None:
        """Free what the adapters hold."""
        await self._ports.store.close()
        await self._ports.catalogue.close()

    async def _reach_store(self) -> None:
        """Ask the store for the first line of the base bucket's listing."""
        listing = self._ports.store.list(self._ports.bucket, ".kist/readiness")
        async for _ in listing:
            break
