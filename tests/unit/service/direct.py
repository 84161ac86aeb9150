"""A world whose memory store signs as well, so that tickets can be had; tests put the bytes there themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.unit.service.world import BUCKET, World, blocks

from kist.drive import drive
from kist.model.actor import Actor
from kist.model.content import FormLimits, PutRules, SignedForm, SignedRequest
from kist.model.file import File
from kist.model.place import Place
from kist.model.ticket import Ticket
from kist.model.upload import Intent, Upload, Way
from kist.service.tickets import Wish
from kist.stores.memory import MemoryStore


class SigningStore(MemoryStore):
    """Signs without a secret: who may do what is no concern here."""

    def sign(
        self,
        method: str,
        place: Place,
        expires: timedelta,
        *,
        headers: Sequence[tuple[str, str]] = (),
        query: Sequence[tuple[str, str]] = (),
        since: datetime | None = None,
    ) -> SignedRequest:
        ends = (since or self._clock.now()) + expires
        url = f"signed:{method}:{place.bucket}/{place.key}?{ends.isoformat()}&{dict(query)}"
        return SignedRequest(method=method, url=url, headers=tuple(headers), expires_at=ends)

    def sign_form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        fields = (("key", place.key), *limits.fields, ("size", f"{limits.min_size}-{limits.max_size}"))
        return SignedForm(url="signed:form", fields=fields, expires_at=self._clock.now() + expires)


@dataclass
class DirectWorld(World):
    """A world with tickets."""

    def make_store(self) -> MemoryStore:
        return SigningStore(self.clock, self.ids)

    def begin(self, actor: Actor, size: int | None = 5, way: Way | None = Way.FORM, **more: Any) -> Ticket:
        settles = more.pop("settles", False)
        intent = Intent(**({"name": "a.txt", "size": size} | more))
        return drive(self.kist.tickets.begin(actor, intent, Wish(way, settles)))

    def send(self, ticket: Ticket | Upload, data: bytes = b"12345") -> None:
        """Do as the holder of a ticket does."""
        upload = ticket.upload if isinstance(ticket, Ticket) else ticket
        if upload.way is not Way.PARTS:
            drive(self.store.put(upload.place, blocks(data), PutRules()))
            return
        size = upload.part_size or 1
        for number, start in enumerate(range(0, max(len(data), 1), size), 1):
            part = data[start : start + size]
            drive(self.store.put_part(upload.place, upload.parts_id or "", number, part))

    def complete(self, actor: Actor, ticket: Ticket) -> File:
        return drive(self.kist.tickets.complete(actor, ticket.upload.id))

    def upload(self, ticket: Ticket) -> Upload:
        """Its row as it is now."""
        return drive(self.catalogue.upload(ticket.upload.id))

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    def chores(self) -> None:
        """All that is due."""
        drive(self.kist.upkeep.settle_uploads())
        drive(self.kist.upkeep.end_overdue_uploads())
        drive(self.kist.upkeep.erase_doomed())

    def used(self, owner: str) -> tuple[int, int, int]:
        """Bytes, files and open uploads."""
        usage = drive(self.catalogue.usage(owner))
        return usage.bytes, usage.files, usage.uploads


__all__ = ["BUCKET", "DirectWorld"]
