"""What stands right now, in numbers by name, for those who watch."""

from __future__ import annotations

import logging

import msgspec

from kist.errors import KistError
from kist.service.audit import Audit
from kist.service.links import Links
from kist.service.ports import Ports

log = logging.getLogger("kist")


class Levels:
    """Gathers the totals of the catalogue, what the last audit of this process found, and what waits in memory."""

    def __init__(self, ports: Ports, audit: Audit, links: Links) -> None:
        self._ports = ports
        self._audit = audit
        self._links = links

    async def read(self) -> dict[str, float]:
        """The numbers that are known: no totals while the catalogue does not answer, none of an audit before one ran.

        Nothing is raised: whoever watches wants the rest above all when a part is down.
        """
        levels = {**self._audit.last, "link_uses_waiting": float(self._uses_waiting())}
        try:
            totals = await self._ports.catalogue.totals(self._ports.clock.now())
        except KistError as error:
            log.warning("the totals are not known: %s", error.message)
            return levels
        return levels | {name: float(number) for name, number in msgspec.structs.asdict(totals).items()}

    def _uses_waiting(self) -> int:
        # Links keep these to themselves; only their number leaves.
        return self._links.waiting
