"""A Kist that signs for an S3 server: its settings, and its ways in opened as by a probe that found nothing wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from kist.app import open_ports
from kist.model.changes import Add
from kist.model.profile import HELD, Check, Profile
from kist.ports.store import Probes
from kist.settings import read_settings
from kist.system import SystemClock, SystemIds

BUCKET = "bench"


def settings(endpoint: str, key: str = "key", secret: str = "secret") -> dict[str, str]:
    """Kist's settings for an S3 server, with a signing key as operators should have one, and room for many tickets."""
    return {
        "KIST_STORE": f"s3://{BUCKET}?endpoint={quote(endpoint)}",
        "KIST_S3_KEY": key,
        "KIST_S3_SECRET": secret,
        "KIST_S3_SIGNING_KEY": key,
        "KIST_S3_SIGNING_SECRET": secret,
        "KIST_OPEN_UPLOADS": "1000000000",
    }


def open_ways(home: Path, given: Mapping[str, str]) -> None:
    """Write down that the store holds to everything, before Kist is started on ``home``; the stub would not pass."""
    asyncio.run(_open_ways(home, given))


async def _open_ways(home: Path, given: Mapping[str, str]) -> None:
    clock = SystemClock()
    ports = await open_ports(read_settings({"KIST_HOME": str(home), **given}, home), clock, SystemIds())
    if isinstance(ports.store, Probes):
        checks = {check.value: HELD for check in Check}
        profile_id = ports.store.profile_id(BUCKET)
        profile = Profile(id=profile_id, bucket=BUCKET, checked_at=clock.now(), checks=checks)
        await ports.catalogue.commit(Add(profile))
    await ports.store.close()
    await ports.catalogue.close()
