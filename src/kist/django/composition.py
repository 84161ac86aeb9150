"""Composition root of the Django host: one Kist for each process, made when it is first asked for."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock, RLock
from typing import NamedTuple

from django.apps import apps
from django.db import router

from kist.app import (
    fill_ports,
    join,
    make_home,
    open_blocking_store,
    prometheus,
    signing_secret,
    token_reader,
    try_base_bucket,
)
from kist.django.addresses import public_url
from kist.django.catalogue import DjangoCatalogue
from kist.django.config import read_django_settings
from kist.drive import drive, right_here
from kist.errors import KistError, Unavailable
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.service.rates import Rates
from kist.settings import Settings
from kist.system import SystemClock, SystemIds, wait_blocking


class InProcess(NamedTuple):
    """The Kist of this process, what it was made of, and in which process: a fork makes its own."""

    kist: Kist
    ports: Ports
    settings: Settings
    process: int


_lock = RLock()
_assembled: InProcess | None = None


def _unlock() -> None:
    """In a forked child: the thread that held the lock is not in it."""
    global _lock  # noqa: PLW0603 - one for each process, too
    _lock = RLock()


os.register_at_fork(after_in_child=_unlock)


def assembled() -> InProcess:
    """The Kist of this process and its parts, made at the first call. ``Misconfigured`` when it cannot work."""
    global _assembled  # noqa: PLW0603 - one for each process is what it is for
    made = _assembled
    if made is None or made.process != os.getpid():
        with _lock:
            made = _assembled
            if made is None or made.process != os.getpid():
                made = _assembled = assemble(read_django_settings(), alias())
    return made


def kist() -> Kist:
    """The Kist of this process. Its verbs are coroutines that never suspend: ``drive`` runs them."""
    return assembled().kist


def forget() -> None:
    """Have the next call make a Kist anew, as the settings say then."""
    global _assembled
    with _lock:
        made, _assembled = _assembled, None
    if made is not None and made.process == os.getpid():
        with suppress(KistError):
            drive(made.kist.close())


def alias() -> str:
    """The connection whose database holds the rows: where the project's routers send the app's models."""
    return router.db_for_write(apps.get_model("kist", "UploadedFile"))


def assemble(settings: Settings, database: str) -> InProcess:
    """A Kist over blocking adapters, its rows in the database of that alias."""
    make_home(settings.home)
    clock, ids = SystemClock(wait_blocking), SystemIds()
    secret = signing_secret(settings, ids)
    store = open_blocking_store(settings, clock, ids, secret, partial(public_url, settings))
    catalogue = DjangoCatalogue(database, clock)
    ports = replace(
        fill_ports(settings, clock, ids, right_here, store=store, catalogue=catalogue, secret=secret),
        count_at_once=True,  # web processes run no chores
        alone=Lock,
    )
    rates = Rates(catalogue, clock, per_actor=settings.rate_key, per_address=settings.rate_address, alone=ports.alone())
    made = join(
        ports,
        recognise_token=token_reader(settings),
        anonymous=settings.anonymous,
        rates=rates,
        measures=partial(prometheus, clock),
    )
    drive(try_base_bucket(store, settings.bucket))
    with suppress(Unavailable):  # then kist_worker probes, once the store can be reached
        drive(made.ways.probe_once())
    return InProcess(made, ports, settings, os.getpid())
