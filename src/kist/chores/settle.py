"""Complete the uploads that nobody else will complete: those of contracts without such a call."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def settle(kist: Kist) -> int:
    """Complete uploads whose bytes have come. Returns how many."""
    return await kist.upkeep.settle_uploads()


SETTLE = Chore("settle", timedelta(minutes=1), settle)
