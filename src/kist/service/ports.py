"""Everything that the service needs from outside, in one value that its parts share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

from kist.model.bucket import BucketState
from kist.model.contracts import Contracts
from kist.model.limits import Limits
from kist.ports.catalogue import Catalogue
from kist.ports.endpoints import ReachesEndpoints
from kist.ports.gate import Gate
from kist.ports.roots import NamesFolders
from kist.ports.saving import SavesFiles
from kist.ports.store import HoldsBuckets, ObjectStore, Probes, Seals, Signs, TakesParts
from kist.ports.system import Clock, Detects, Ids
from kist.ports.vault import Vault


@dataclass(frozen=True)
class Ports:
    """The sockets of the service, filled in by the composition root.

    ``bucket`` is the base bucket. ``verify_reads``: hash whole downloads while they are sent, for stores whose bytes
    come over a network. ``count_at_once``: write each use of a link down with the read, where no chore does it later.
    ``alone`` makes what threads take turns by, where several share this Kist.
    """

    store: ObjectStore
    catalogue: Catalogue
    gate: Gate
    clock: Clock
    ids: Ids
    detect: Detects
    limits: Limits
    bucket: str
    secret: bytes = field(repr=False)
    verify_reads: bool = False
    origins: tuple[str, ...] = ()
    stream_links: bool = False
    count_at_once: bool = False
    alone: Callable[[], AbstractContextManager[object]] = nullcontext
    contracts: Contracts = field(default_factory=Contracts)
    saving: SavesFiles | None = None
    roots: NamesFolders | None = None
    vault: Vault | None = None
    endpoints: ReachesEndpoints | None = None

    # What the store can do beside keeping bytes is found once: the question costs more than a signature.

    @cached_property
    def signs(self) -> Signs | None:
        """The store, if it signs requests that are made directly at it."""
        return self.store if isinstance(self.store, Signs) else None

    @cached_property
    def seals(self) -> Seals | None:
        """The store, if it moves what has arrived out of the reach of whoever sent it."""
        return self.store if isinstance(self.store, Seals) else None

    @cached_property
    def takes_parts(self) -> TakesParts | None:
        """The store, if it takes uploads in parts."""
        return self.store if isinstance(self.store, TakesParts) else None

    @cached_property
    def holds_buckets(self) -> HoldsBuckets | None:
        """The store, if it has buckets that can be made and removed."""
        return self.store if isinstance(self.store, HoldsBuckets) else None

    @cached_property
    def probes(self) -> Probes | None:
        """The store, if it has to be asked what it holds."""
        return self.store if isinstance(self.store, Probes) else None


async def looked_after(ports: Ports) -> tuple[str, ...]:
    """The buckets that chores look at: the base bucket, and those made here. Others may be somebody else's."""
    made = [bucket.name for bucket in await ports.catalogue.buckets() if bucket.state is BucketState.READY]
    return tuple(dict.fromkeys((ports.bucket, *made)))
