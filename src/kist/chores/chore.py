"""What a chore is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from kist.service.kist import Kist


@dataclass(frozen=True)
class Chore:
    """A duty that is safe to repeat and to run on several hosts at once. ``run`` returns how much it did."""

    name: str
    every: timedelta
    run: Callable[[Kist], Awaitable[int]]
