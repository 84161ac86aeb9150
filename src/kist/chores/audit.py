"""Compare rows and objects: erase the strays that direct uploads leave, and say what else does not fit."""

from __future__ import annotations

import logging
from datetime import timedelta

from kist.chores.chore import Chore
from kist.service.kist import Kist

log = logging.getLogger("kist.chores")


async def audit(kist: Kist) -> int:
    """Sweep where bytes arrive, and report the rest. Returns how many objects and uploads were swept."""
    report = await kist.audit.run(sweep=True)
    if report.lost:
        log.error("%d files have lost their bytes: kist audit names them", report.lost)
    return report.swept


AUDIT = Chore("audit", timedelta(hours=6), audit)
