"""End what nobody will finish: uploads without a sign of life; and forget what ended long ago."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def expire(kist: Kist) -> int:
    """End overdue uploads; drop old idempotency records, ended uploads and links. Returns how many rows went."""
    ended = await kist.upkeep.end_overdue_uploads()
    return ended + await kist.upkeep.forget_old_requests() + await kist.upkeep.forget_ended()


EXPIRE = Chore("expire", timedelta(seconds=30), expire)
