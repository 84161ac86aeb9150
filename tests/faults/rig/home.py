"""A Kist put together for experiments: its own limits and clock, and points at which it can be made to fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from kist.app import join, open_catalogue, open_ports, threads
from kist.model.limits import Limits
from kist.ports.catalogue import Catalogue
from kist.ports.system import Clock, Ids
from kist.service.kist import Kist
from kist.settings import Settings, read_settings
from kist.system import SystemClock
from kist.testing.failpoints import Failpoints, pointed_catalogue, pointed_store


def disk_settings(home: Path) -> Settings:
    """The defaults: SQLite and disk, both in the home."""
    return read_settings({"KIST_HOME": str(home)}, home)


class ByClock:
    """A catalogue that goes by ``clock``, also where its database has one of its own."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalogue, name)

    async def now(self) -> datetime:
        return self._clock.now()


async def compose(
    settings: Settings, *, clock: Clock, ids: Ids, limits: Limits | None = None, points: Failpoints | None = None
) -> Kist:
    """As ``kist.app.build`` does, with these limits, and with ``points`` reached once it stands.

    ``clock`` is that of service and catalogue. The store keeps the machine's: an S3 server refuses who comes from
    another day.
    """
    ports = await open_ports(settings, SystemClock(), ids)
    await ports.catalogue.close()
    catalogue = cast("Catalogue", ByClock(await open_catalogue(settings, clock, ids, threads()), clock))
    ports = replace(ports, clock=clock, catalogue=catalogue, limits=limits or Limits())
    if points is not None:
        store, catalogue = pointed_store(ports.store, points), pointed_catalogue(ports.catalogue, points)
        ports = replace(ports, store=store, catalogue=catalogue)
    return join(ports)
