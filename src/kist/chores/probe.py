"""Look once at a store that has never been looked at, so that tickets for it can be given out."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def probe(kist: Kist) -> int:
    """Probe the base bucket unless that was done, with this signing key. Returns 1 when it was probed now."""
    return await kist.ways.probe_once()


PROBE = Chore("probe", timedelta(minutes=5), probe)
