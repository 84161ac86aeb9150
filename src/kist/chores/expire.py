"""End what nobody will finish: uploads without a sign of life, idempotency records of yesterday."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def expire(kist: Kist) -> int:
    """End overdue uploads and drop old idempotency records. Returns how many rows went."""
    return await kist.upkeep.end_overdue_uploads() + await kist.upkeep.forget_old_requests()


EXPIRE = Chore("expire", timedelta(seconds=30), expire)
