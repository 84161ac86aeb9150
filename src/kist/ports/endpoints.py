"""S3 servers other than Kist's own store, as a job reaches them."""

from __future__ import annotations

from typing import Protocol

from kist.model.endpoint import Endpoint, EndpointKeys
from kist.ports.store import ObjectStore


class ReachesEndpoints(Protocol):
    async def reach(self, endpoint: Endpoint, keys: EndpointKeys) -> ObjectStore:
        """The store at ``endpoint``, asked with ``keys`` and nothing of Kist's own; close it after use.

        The name is looked up once, here, and every connection goes to what was found. ``EndpointRefused`` when that
        lies inside and ``endpoint`` may not, ``StoreUnavailable`` when nothing was found.
        """
