"""What the composition root hands to a store or a catalogue when it opens it by its URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kist.ports.system import Clock, Ids


class Aside(Protocol):
    def __call__(self, fn: Callable[..., Any], /, *args: Any) -> Awaitable[Any]:
        """Run blocking ``fn(*args)`` where it holds nobody up and return its result: a thread, or a plain call."""


@dataclass(frozen=True)
class Wiring:
    """``url`` as in the settings; ``secrets`` by name (``key``, ``secret``, …), kept out of every repr."""

    url: str
    clock: Clock
    ids: Ids
    aside: Aside
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
