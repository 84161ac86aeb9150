"""Write down the uses of links that were not committed with the read."""

from __future__ import annotations

from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist


async def count(kist: Kist) -> int:
    """Commit what was counted in memory. Returns how many uses."""
    return await kist.links.write_down()


COUNT = Chore("count", timedelta(seconds=2), count, everywhere=True)
