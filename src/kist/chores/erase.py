"""Erase the bytes that the outbox says nobody needs any more."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def erase(kist: Kist) -> int:
    """Erase doomed places whose time has come. Returns how many were erased."""
    return await kist.upkeep.erase_doomed()


ERASE = Chore("erase", timedelta(seconds=30), erase)
