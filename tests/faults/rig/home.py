"""A Kist put together for experiments: its own limits and clock, and points at which it can be made to fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kist.app import join, open_catalogue, open_ports, threads
from kist.model.limits import Limits
from kist.ports.system import Clock, Ids
from kist.service.kist import Kist
from kist.settings import Settings, read_settings
from kist.system import SystemClock
from kist.testing.failpoints import Failpoints, pointed_catalogue, pointed_store


def disk_settings(home: Path) -> Settings:
    """The defaults: SQLite and disk, both in the home."""
    return read_settings({"KIST_HOME": str(home)}, home)


async def compose(
    settings: Settings, *, clock: Clock, ids: Ids, limits: Limits | None = None, points: Failpoints | None = None
) -> Kist:
    """As ``kist.app.build`` does, with these limits, and with ``points`` reached once it stands.

    ``clock`` is that of service and catalogue. The store keeps the machine's: an S3 server refuses who comes from
    another day.
    """
    ports = await open_ports(settings, SystemClock(), ids)
    await ports.catalogue.close()
    catalogue = await open_catalogue(settings, clock, ids, threads())
    ports = replace(ports, clock=clock, catalogue=catalogue, limits=limits or Limits())
    if points is not None:
        store, catalogue = pointed_store(ports.store, points), pointed_catalogue(ports.catalogue, points)
        ports = replace(ports, store=store, catalogue=catalogue)
    return join(ports)
