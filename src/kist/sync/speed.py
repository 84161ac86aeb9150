"""How fast bytes pass just now."""

from __future__ import annotations

from collections import deque

WINDOW = 5.0


class Speed:
    """Bytes a second over the last seconds, from looks at a total that grows."""

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._looks: deque[tuple[float, int]] = deque()

    def at(self, ticks: float, total: int) -> float:
        """The speed at ``ticks``, when ``total`` bytes have passed. 0 at the first look, and when the total fell."""
        looks = self._looks
        if looks and total < looks[-1][1]:
            looks.clear()
        looks.append((ticks, total))
        while len(looks) > 2 and looks[1][0] <= ticks - self._window:
            looks.popleft()
        since, passed = looks[0]
        return (total - passed) / (ticks - since) if ticks > since else 0.0
