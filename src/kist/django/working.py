"""Composition of what works in an event loop: management commands that sync, audit, and do the chores.

Bytes move by the async adapters. Rows stay on Django's connection, which belongs to threads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import connections

from kist.app import Assembled, fill_ports, join, make_home, open_store, signing_secret, threads, try_base_bucket
from kist.django.catalogue import DjangoCatalogue
from kist.django.composition import alias
from kist.django.config import read_django_settings
from kist.drive import drive
from kist.model.actor import Actor, Role
from kist.ports.catalogue import Catalogue
from kist.system import SystemClock, SystemIds
from kist.working import Work

COMMAND = Actor("local", Role.ADMIN)
"""As whom commands act, as those of ``kist`` do."""


class ThreadedCatalogue:
    """A blocking catalogue for code in an event loop: each call runs in Django's thread for such calls."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._catalogue, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await sync_to_async(lambda: drive(method(*args, **kwargs)))()

        return call


@asynccontextmanager
async def opened() -> AsyncIterator[Assembled]:
    """A Kist in the running event loop, as the project's settings say, for as long as the block runs."""
    settings = read_django_settings()
    make_home(settings.home)
    clock, ids, aside = SystemClock(), SystemIds(), threads()
    secret = signing_secret(settings, ids)
    store = open_store(settings, clock, ids, aside, secret)
    catalogue = cast("Catalogue", ThreadedCatalogue(DjangoCatalogue(alias(), clock)))
    ports = fill_ports(settings, clock, ids, aside, store=store, catalogue=catalogue, secret=secret)
    kist = join(ports)
    try:
        await try_base_bucket(store, settings.bucket)
        yield Assembled(kist, Work(ports, aside))
    finally:
        await kist.close()
        await sync_to_async(connections.close_all)()
