"""What lets tests bear a machine that stands still for some seconds, without asking less of the code under test."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Awaitable, Callable

ATTEMPTS = 5
STOOD_STILL = 0.3
"""Seconds that no thread of this process waits for its turn unless the process, or its machine, stands still."""
_LOOK = 0.02


async def soon(within: float, attempt: Callable[[], Awaitable[float]]) -> None:
    """Demand that an attempt takes less than ``within`` seconds: the best of some. Each says how many it has taken."""
    took: list[float] = []
    while not took or took[-1] >= within:
        assert len(took) < ATTEMPTS, f"all took longer than {within} s: {took}"
        took.append(await attempt())


class Stillness:
    """Notices, for the length of the block, whether this process stands still."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._seen = time.monotonic()
        self._longest = 0.0

    def _look(self) -> None:
        while not self._over.wait(_LOOK):
            self._longest, self._seen = self.longest(), time.monotonic()

    def longest(self) -> float:
        """For how many seconds at a stretch it has stood still."""
        return max(self._longest, time.monotonic() - self._seen - _LOOK)

    def __enter__(self) -> Stillness:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def unless_held_up(test: Callable[[], None]) -> Callable[[], None]:
    """For a test whose own slowness its server would punish: a failure counts only if this process did not stand still
    meanwhile. Otherwise, some times at most, the test is tried again."""

    @functools.wraps(test)
    def tried() -> None:
        for _ in range(ATTEMPTS - 1):
            with Stillness() as noticed:
                try:
                    test()
                    return
                except (AssertionError, EOFError, OSError):
                    if noticed.longest() < STOOD_STILL:
                        raise
        test()

    return tried
