"""Everything that the service needs from outside, in one value that its parts share."""

from __future__ import annotations

from dataclasses import dataclass, field

from kist.model.limits import Limits
from kist.ports.catalogue import Catalogue
from kist.ports.gate import Gate
from kist.ports.store import ObjectStore
from kist.ports.system import Clock, Detects, Ids


@dataclass(frozen=True)
class Ports:
    """The sockets of the service, filled in by the composition root.

    ``bucket`` is the base bucket. ``verify_reads``: hash whole downloads while they are sent, for stores whose bytes
    come over a network.
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
