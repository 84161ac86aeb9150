"""Erase what syncs put aside, once it can no longer be brought back."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def trash(kist: Kist) -> int:
    """Erase old bytes that were replaced or deleted by syncs. Returns how many objects."""
    return await kist.upkeep.erase_trash()


TRASH = Chore("trash", timedelta(hours=6), trash)
