"""A Kist put together for experiments: its own limits and clock, and points at which it can be made to fail."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from kist.app import LOCAL_STORES, make_base_bucket, open_catalogue, open_store, threads
from kist.detection import detect
from kist.model.limits import Limits
from kist.ports.catalogue import Catalogue
from kist.ports.system import Clock, Ids
from kist.service.entry import Entry
from kist.service.gate import OwnerGate
from kist.service.keys import Keys
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.settings import Settings, read_settings
from kist.testing.failpoints import Failpoints, PointedCatalogue, pointed_store


def disk_settings(home: Path) -> Settings:
    """The defaults: SQLite and disk, both in the home."""
    return read_settings({"KIST_HOME": str(home)}, home)


async def compose(
    settings: Settings, *, clock: Clock, ids: Ids, limits: Limits | None = None, points: Failpoints | None = None
) -> Kist:
    """As ``kist.app.build`` does, with these limits, and with ``points`` reached once it stands."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = threads()
    store = open_store(settings, clock, ids, aside)
    await make_base_bucket(store, settings.bucket)
    catalogue: Catalogue = await open_catalogue(settings, clock, ids, aside)
    if points is not None:
        store, catalogue = pointed_store(store, points), PointedCatalogue(catalogue, points)
    ports = Ports(
        store=store,
        catalogue=catalogue,
        gate=OwnerGate(),
        clock=clock,
        ids=ids,
        detect=detect,
        limits=limits or Limits(),
        bucket=settings.bucket,
        verify_reads=urlsplit(settings.store).scheme not in LOCAL_STORES,
    )
    keys = Keys(ports)
    return Kist(ports, keys, Entry(keys, clock))
