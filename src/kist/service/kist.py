"""The façade that hosts, chores and applications hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from kist.errors import KistError
from kist.model.contracts import Contracts
from kist.model.limits import Limits
from kist.ports.measures import Exposition, Measures
from kist.ports.roots import NamesFolders
from kist.ports.saving import SavesFiles
from kist.service.addressed import Addressed
from kist.service.audit import Audit
from kist.service.buckets import Buckets
from kist.service.digests import Digests
from kist.service.door import Door
from kist.service.downloads import Downloads
from kist.service.entry import Entry
from kist.service.files import Files
from kist.service.jobs import Jobs
from kist.service.keys import Keys
from kist.service.levels import Levels
from kist.service.links import Links
from kist.service.objects import Objects
from kist.service.ports import Ports
from kist.service.sealing import Sealer
from kist.service.shares import Shares
from kist.service.tickets import Tickets
from kist.service.turns import Turns
from kist.service.uncounted import Uncounted
from kist.service.upkeep import Upkeep
from kist.service.uploads import Uploads
from kist.service.ways import Ways


class Kist:
    """One file service: its verbs, grouped by noun.

    ``draining`` is set by a host that is stopping: the service goes on, but ``problems`` tells of it.
    ``measures`` makes what counts for those who watch, once somebody counts.
    """

    def __init__(self, ports: Ports, keys: Keys, entry: Entry, *, measures: Callable[[], Measures] = Uncounted) -> None:
        self._ports = ports
        self._make_measures = measures
        sealer = Sealer(ports)
        self.ways = Ways(ports)
        self.files = Files(ports, sealer.settle)
        self.uploads = Uploads(ports, self.files)
        self.tickets = Tickets(ports, self.files, sealer, self.ways)
        self.downloads = Downloads(ports)
        self.shares = Shares(ports, self.files)
        self.links = Links(ports)
        self.audit = Audit(ports)
        self.door = Door(ports)
        self.digests = Digests(ports)
        self.keys = keys
        self.entry = entry
        self.upkeep = Upkeep(ports, sealer)
        self.turns = Turns(ports)
        self.buckets = Buckets(ports, self.ways, self.upkeep)
        self.objects = Objects(ports)
        self.jobs = Jobs(ports)
        self.addressed = Addressed(ports, self.uploads, self.tickets, sealer)
        self.draining = False
        self._levels = Levels(ports, self.audit, self.links)

    @property
    def limits(self) -> Limits:
        """What the operator allows."""
        return self._ports.limits

    @property
    def contracts(self) -> Contracts:
        """What the operator says of the older contracts."""
        return self._ports.contracts

    @property
    def saving(self) -> SavesFiles | None:
        """The folder of the server where files may be written, if the operator has named one."""
        return self._ports.saving

    @property
    def roots(self) -> NamesFolders | None:
        """The folders of the server that syncs asked for over HTTP may read, if there are any."""
        return self._ports.roots

    def new_id(self) -> str:
        """An id that nothing else has, for answers that carry one."""
        return self._ports.ids.uuid()

    @cached_property
    def measures(self) -> Measures:
        """Where hosts and chores count what they do."""
        return self._make_measures()

    async def metrics(self) -> Exposition:
        """What was counted, and what stands right now. A catalogue that does not answer only leaves gaps."""
        return self.measures.shown(await self._levels.read())

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
        """Write down what is still to be, and free what the adapters hold."""
        await self.links.write_down()
        await self._ports.store.close()
        await self._ports.catalogue.close()

    async def _reach_store(self) -> None:
        """Ask the store for the first line of the base bucket's listing."""
        listing = self._ports.store.list(self._ports.bucket, ".kist/readiness")
        async for _ in listing:
            break
