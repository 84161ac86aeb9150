"""A Kist put together for experiments: its own limits and clock, and taps between the service and its adapters."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from kist.app import make_base_bucket, open_catalogue, open_store, threads
from kist.detection import detect
from kist.model.limits import Limits
from kist.ports.catalogue import Catalogue
from kist.ports.store import ObjectStore
from kist.ports.system import Clock, Ids
from kist.service.entry import Entry
from kist.service.gate import OwnerGate
from kist.service.keys import Keys
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.settings import Settings, read_settings

Tap = Callable[[str], Awaitable[None]]
"""Called with ``store.put before``, ``catalogue.commit after`` and so on, at each border that the service crosses."""


def disk_settings(home: Path) -> Settings:
    """The defaults: SQLite and disk, both in the home."""
    return read_settings({"KIST_HOME": str(home)}, home)


async def compose(
    settings: Settings, *, clock: Clock, ids: Ids, limits: Limits | None = None, tap: Tap | None = None
) -> Kist:
    """As ``kist.app.build`` does, with these limits and with ``tap`` listening."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = threads()
    store = open_store(settings, clock, ids, aside)
    await make_base_bucket(store, settings.bucket)
    catalogue = await open_catalogue(settings, clock, ids, aside)
    if tap is not None:
        store = cast("ObjectStore", Tapped(store, "store", tap))
        catalogue = cast("Catalogue", Tapped(catalogue, "catalogue", tap))
    ports = Ports(
        store=store,
        catalogue=catalogue,
        gate=OwnerGate(),
        clock=clock,
        ids=ids,
        detect=detect,
        limits=limits or Limits(),
        bucket=settings.bucket,
    )
    keys = Keys(ports)
    return Kist(ports, keys, Entry(keys, clock))


class Tapped:
    """Stands before an adapter and tells when a call goes in and when it came out."""

    def __init__(self, adapter: object, name: str, tap: Tap) -> None:
        self._adapter = adapter
        self._name = name
        self._tap = tap

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._adapter, method)
        if not inspect.iscoroutinefunction(found) or method == "close":
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._tap(f"{self._name}.{method} before")
            result = await found(*args, **kwargs)
            await self._tap(f"{self._name}.{method} after")
            return result

        return call
