"""How much of it a server takes at the same time: uploads under way, and bytes of bodies in memory."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from kist.errors import Busy, TooMany
from kist.ports.measures import Measures
from kist.wire.admission import Admits

BUSY_WAIT = 5


class Served(Protocol):
    """What the host needs of the façade that it hands to the handlers."""

    @property
    def entry(self) -> Admits:
        """Who may come in."""

    @property
    def measures(self) -> Measures:
        """Where requests are counted."""


class Room:
    """How many bytes of bodies may be held in memory at the same time, in all and for one actor."""

    def __init__(self, total: int, per_actor: int) -> None:
        self._total = total
        self._per_actor = per_actor
        self._taken: Counter[str] = Counter()
        self.held = 0

    def take(self, actor: str, size: int) -> None:
        """Hold ``size`` bytes more: ``Busy`` when the server has no room, ``TooMany`` when the actor has its share."""
        if self.held + size > self._total:
            raise Busy("this server has as many requests in memory as it takes: try again", after=BUSY_WAIT)
        if self._taken[actor] + size > self._per_actor:
            raise TooMany("you have too many requests under way: finish one first", after=BUSY_WAIT)
        self._taken[actor] += size
        self.held += size

    def give(self, actor: str, size: int) -> None:
        """Give the room back."""
        self.held -= size
        self._taken[actor] -= size
        if not self._taken[actor]:
            del self._taken[actor]


class UploadSlots:
    """How many file bodies may be under way at the same time."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._taken: dict[str, int] = {}
        self.under_way = 0

    def take(self, address: str) -> None:
        """Take one slot: ``Busy`` when the server has none left, ``TooMany`` when the address has its share."""
        mine = self._taken.get(address, 0)
        if self.under_way >= self._total:
            raise Busy("this server has as many uploads under way as it takes: try again", after=BUSY_WAIT)
        if mine >= self._per_address:
            raise TooMany(f"your address has {mine} uploads under way: finish one first", after=BUSY_WAIT)
        self._taken[address] = mine + 1
        self.under_way += 1

    def give(self, address: str) -> None:
        """Give the slot back."""
        self.under_way -= 1
        if self._taken[address] == 1:
            del self._taken[address]
        else:
            self._taken[address] -= 1
