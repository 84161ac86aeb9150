"""What the operator says of the older contracts, beside the limits that hold for all."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from kist.model.endpoint import Endpoint


class Contracts(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the dialects.

    ``form_life``: of the forms and download addresses of DabApps' contract. ``link_life``: of Syncano's links, None
    for what that contract says. ``region``: the one region where its buckets may be made. ``instances``: those of
    Syncano's that are served, the first where a call names none; ``instance_domains``: domains whose first label
    names the instance. ``sync_endpoints``: S3 servers other than Kist's own store that syncs may name;
    ``sync_remove_bucket``: its syncs remove their bucket where there is nothing left to sync.
    """

    form_life: timedelta = timedelta(seconds=300)
    link_life: timedelta | None = None
    region: str | None = None
    instances: tuple[str, ...] = ("kist",)
    instance_domains: tuple[str, ...] = ()
    sync_endpoints: tuple[Endpoint, ...] = ()
    sync_remove_bucket: bool = False
