"""Hash the files whose bytes came straight to the store, so that readers can check what they get."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def digest(kist: Kist) -> int:
    """Fill in the sha256 of files that have none. Returns how many."""
    return await kist.digests.fill()


DIGEST = Chore("digest", timedelta(minutes=1), digest)
