"""Jobs in the states that tests of routes want."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from tests.acceptance.served import ROOT, Site

from kist.model.actor import Actor
from kist.model.content import PutRules
from kist.model.job import SyncOptions
from kist.model.place import Place

ANN = Actor("ann")


def synced(site: Site, name: str) -> str:
    """A job in a bucket of ann's that has ended."""
    job = site.run(site.kist.jobs.start(ANN, f"{name}/from", f"{name}/to"))
    return ended(site, job.id)


def waiting(site: Site, name: str) -> str:
    """One that waits for a yes: its only file has gone from the source."""
    store = site.kist.files._ports.store
    for key in ("from/a", "from/b"):
        site.run(store.put(Place(name, key), nothing(), PutRules()))
    ended(site, site.run(site.kist.jobs.start(ANN, f"{name}/from", f"{name}/to")).id)
    site.run(store.erase(Place(name, "from/a")))
    options = SyncOptions(delete=True, max_delete=0)
    return ended(site, site.run(site.kist.jobs.start(ANN, f"{name}/from", f"{name}/to", options)).id)


def stopped(site: Site, name: str) -> str:
    """One that was cancelled."""
    job = waiting(site, name)
    site.run(site.kist.jobs.cancel(ROOT, job))
    return job


def mirrored(site: Site) -> str:
    """The number of one of root's, from a folder of the server, that has ended."""
    uploads = site.settings.home / "uploads"
    uploads.mkdir(exist_ok=True)
    (uploads / "file").write_bytes(b"1")
    return str(site.admin.call("GET", "/sync?dest=mirror").json["id"])


def ended(site: Site, job: str) -> str:
    while site.run(site.kist.jobs.get(ROOT, job)).state.wants_worker:
        time.sleep(0.02)
    return job


async def nothing() -> AsyncIterator[bytes]:
    return
    yield
