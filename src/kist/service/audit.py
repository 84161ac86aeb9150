"""Compare what the rows say with what lies in the store, in constant memory: two sorted streams side by side.

Only ``.kist/`` is looked at. What lies elsewhere belongs to others. A row wins over an object: nothing that a ready
file, an unended upload or the outbox names is ever taken for a stray.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

import msgspec

from kist.errors import BadName, BucketMissing, Clash, ObjectMissing, WrongState
from kist.model.changes import Add, Swap
from kist.model.content import Listed, OpenParts
from kist.model.file import FileState
from kist.model.place import OBJECTS, PARTS, RESERVED, STAGING, TRASH, Place
from kist.model.query import MAX_PAGE
from kist.model.rows import Doomed, Held
from kist.ports.store import TakesParts
from kist.service.ports import Ports, looked_after

PROBED = f"{OBJECTS}probe-"
"""What a probe that was cut off leaves beside the places where bytes arrive."""

MOST_NAMED = 1000
"""How many findings are named; all are counted."""
_WATCHED = ("lost", "differs", "strays", "stray_bytes", "open_parts", "open_bytes")
"""The numbers of a report that deserve somebody's eye."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not fit. ``kind``: lost, found, differs, stray or open. ``size``: bytes held or missed."""

    kind: str
    bucket: str
    key: str
    size: int
    file: str | None = None


class Report(msgspec.Struct, kw_only=True):
    """What an audit found, in numbers, and the first thousand findings by name.

    ``files``, ``objects``: looked at. ``lost``: ready files without their object; ``found``: lost ones whose object is
    there again; ``differs``: with one of another
    size. ``strays``: objects of Kist's that no row names, and ``stray_bytes`` in them; ``open_parts``: multipart
    uploads that no row names, and ``open_bytes`` that their parts hold. ``swept``: doomed now; ``mended``: rows.
    """

    files: int = 0
    objects: int = 0
    lost: int = 0
    found: int = 0
    differs: int = 0
    strays: int = 0
    stray_bytes: int = 0
    open_parts: int = 0
    open_bytes: int = 0
    swept: int = 0
    mended: int = 0
    findings: list[Finding] = []

    @property
    def clean(self) -> bool:
        """Whether all fits."""
        return not (self.lost or self.found or self.differs or self.strays or self.open_parts)

    def note(self, finding: Finding) -> None:
        """Name a finding, if there is room."""
        if len(self.findings) < MOST_NAMED:
            self.findings.append(finding)


class Audit:
    """Compares, reports, and mends if asked."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.last: dict[str, float] = {}
        """What the last run found, in numbers by name, and when it ended. Empty before the first."""

    async def run(self, *, sweep: bool = False, repair: bool = False) -> Report:
        """Compare the rows of every bucket with what lies under ``.kist/`` in it.

        What is younger than a day and an hour is left out: it may be on its way. ``sweep``: doom strays where bytes
        arrive (``.kist/in/``, ``.kist/parts/``), and those of probes. ``repair``: doom all strays, mark files whose
        bytes are gone as lost, and make them ready again where the bytes have come back.
        """
        report = Report(findings=[])
        for bucket in await looked_after(self._ports):
            await self._look_at(bucket, report, sweep=sweep, repair=repair)
        self._keep(report)
        return report

    async def _look_at(self, bucket: str, report: Report, *, sweep: bool, repair: bool) -> None:
        rows = _Rows(self._ports, bucket)
        waiting: list[Listed] = []
        async for listed in self._listed(bucket):
            report.objects += 1
            async for held in rows.before(listed.key):
                await self._missing(held, report, repair)
            row = await rows.at(listed.key)
            if row is None:
                waiting.append(listed)
            elif row.lost:
                await self._found(bucket, row, listed, report, repair)
            elif row.size != listed.size:
                report.differs += 1
                report.note(Finding("differs", bucket, row.key, listed.size - row.size, row.file_id))
            if len(waiting) == MAX_PAGE:
                await self._judge(bucket, waiting, report, sweep=sweep, repair=repair)
        async for held in rows.before(None):
            await self._missing(held, report, repair)
        await self._judge(bucket, waiting, report, sweep=sweep, repair=repair)
        await self._look_at_parts(bucket, report, mend=sweep or repair)
        report.files += rows.seen

    async def _listed(self, bucket: str) -> AsyncIterator[Listed]:
        """What is Kist's own in ``bucket``; nothing where somebody has removed one that was made here."""
        try:
            async for listed in self._ports.store.list(bucket, RESERVED):
                yield listed
        except BucketMissing:
            if bucket == self._ports.bucket:
                raise

    def _keep(self, report: Report) -> None:
        self.last = {f"audit_{name}": float(getattr(report, name)) for name in _WATCHED}
        self.last["audit_last_run_timestamp_seconds"] = self._ports.clock.now().timestamp()

    async def _missing(self, held: Held, report: Report, repair: bool) -> None:
        """A ready file whose object was not listed. It may have been replaced or removed meanwhile: look again."""
        file = await self._ports.catalogue.file(held.file_id)
        if file.state is not FileState.READY or file.key != held.key:
            return  # known to be lost, if that is its state
        with suppress(ObjectMissing):
            await self._ports.store.head(file.place)
            return
        report.lost += 1
        report.note(Finding("lost", file.bucket, held.key, held.size, held.file_id))
        if repair:
            lost = msgspec.structs.replace(file, state=FileState.LOST, updated_at=self._ports.clock.now())
            with suppress(Clash):
                await self._ports.catalogue.commit(Swap(file, lost))
                report.mended += 1

    async def _found(self, bucket: str, held: Held, listed: Listed, report: Report, repair: bool) -> None:
        """A lost file whose object lies there again, as after a restore."""
        if held.size != listed.size:
            return
        report.found += 1
        report.note(Finding("found", bucket, held.key, held.size, held.file_id))
        if repair:
            file = await self._ports.catalogue.file(held.file_id)
            back = msgspec.structs.replace(file, state=FileState.READY, updated_at=self._ports.clock.now())
            with suppress(Clash, WrongState):
                await self._ports.catalogue.commit(Swap(file, back))
                report.mended += 1

    async def _judge(self, bucket: str, waiting: list[Listed], report: Report, *, sweep: bool, repair: bool) -> None:
        """Of the objects that no ready file names, tell those that nothing else names either. Empties ``waiting``."""
        old = [listed for listed in waiting if self._is_old(listed.modified)]
        waiting.clear()
        named = await self._ports.catalogue.spoken_for(bucket, [listed.key for listed in old])
        for listed in old:
            if listed.key in named or listed.key.startswith(TRASH):
                continue  # what syncs have put aside ends by a chore of its own
            report.strays += 1
            report.stray_bytes += listed.size
            report.note(Finding("stray", bucket, listed.key, listed.size))
            arriving = listed.key.startswith((STAGING, PARTS, PROBED))
            due = (repair and listed.key.startswith((STAGING, PARTS, OBJECTS))) or (sweep and arriving)
            if due and (place := _place(bucket, listed.key)) is not None:
                await self._doom(place)
                report.swept += 1

    async def _look_at_parts(self, bucket: str, report: Report, *, mend: bool) -> None:
        """Multipart uploads that no row names, and what they hold."""
        store = self._ports.takes_parts
        if store is None:
            return
        async for open_parts in self._open_parts(store, bucket):
            if not self._is_old(open_parts.started):
                continue
            if await self._ports.catalogue.spoken_for(bucket, [open_parts.key]):
                continue
            place = _place(bucket, open_parts.key)
            if place is None:
                continue
            size = sum([part.size async for part in store.parts(place, open_parts.parts_id)])
            report.open_parts += 1
            report.open_bytes += size
            report.note(Finding("open", bucket, open_parts.key, size))
            if mend:
                await self._doom(place)
                report.swept += 1

    async def _open_parts(self, store: TakesParts, bucket: str) -> AsyncIterator[OpenParts]:
        try:
            async for open_parts in store.open_parts(bucket, RESERVED):
                yield open_parts
        except BucketMissing:
            if bucket == self._ports.bucket:
                raise

    async def _doom(self, place: Place) -> None:
        """Leave a stray to the erase chore, which does it again if it is cut off."""
        doomed = Doomed(
            id=self._ports.ids.uuid(),
            bucket=place.bucket,
            key=place.key,
            not_before=self._ports.clock.now(),
            unfinished=True,
        )
        await self._ports.catalogue.commit(Add(doomed))

    def _is_old(self, moment: datetime) -> bool:
        return moment + self._ports.limits.stray_life < self._ports.clock.now()


def _place(bucket: str, key: str) -> Place | None:
    """None for a key that Kist would never give: whoever did may take away what lies there."""
    try:
        return Place(bucket, key)
    except BadName:
        return None


class _Rows:
    """The objects that ready files name, by key, a page at a time."""

    def __init__(self, ports: Ports, bucket: str) -> None:
        self._ports = ports
        self._bucket = bucket
        self._page: list[Held] = []
        self._after = RESERVED
        self._ended = False
        self.seen = 0

    async def before(self, key: str | None) -> AsyncIterator[Held]:
        """Those that come before ``key``, all for None; each is given once."""
        while (held := await self._first()) is not None and (key is None or held.key.encode() < key.encode()):
            self._page.pop()
            yield held

    async def at(self, key: str) -> Held | None:
        """The one with exactly this key, if it comes next."""
        held = await self._first()
        if held is None or held.key != key:
            return None
        return self._page.pop()

    async def _first(self) -> Held | None:
        if not self._page and not self._ended:
            page = await self._ports.catalogue.held(self._bucket, self._after, MAX_PAGE)
            self._ended = len(page) < MAX_PAGE
            self.seen += len(page)
            self._page = list(reversed(page))
            if page:
                self._after = page[-1].key
        return self._page[-1] if self._page else None
