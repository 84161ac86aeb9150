"""Whose turn it is to do what one process does at a time."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from kist.errors import Clash
from kist.model.changes import Hold, Lapse
from kist.model.moments import length_micros, micros
from kist.service.ports import Ports

TERM = timedelta(seconds=30)
"""How long a turn lasts without a sign of life. It is measured by the catalogue's clock."""


class Turns:
    """The turns that this process has among all that share the catalogue."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def take(self, name: str) -> bool:
        """Have the turn ``name`` for ``TERM`` from now on, also where this process has it. False: another one has it.

        What is done in its turn must have ended, or the turn been taken again, before the term is over.
        """
        now = micros(await self._ports.catalogue.now())
        try:
            await self._ports.catalogue.commit(self._hold(name, now, now + length_micros(TERM)))
        except Clash:
            return False
        return True

    async def give_back(self, name: str) -> None:
        """Let others have it at once. All terms that are over are forgotten with it, also those of requests."""
        now = micros(await self._ports.catalogue.now())
        try:
            await self._ports.catalogue.commit(self._hold(name, now, now), Lapse(now))
        except Clash:
            return  # it was lost meanwhile

    def _hold(self, name: str, at: int, until: int) -> Hold:
        return Hold(term=f"turn {name}", holder=self._holder, at=at, until=until)

    @cached_property
    def _holder(self) -> str:
        return self._ports.ids.token()
