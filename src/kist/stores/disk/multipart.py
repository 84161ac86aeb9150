"""The steps of a multipart upload; ``parts`` knows how each is carried out."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from pathlib import Path

from kist.errors import Incomplete, Invalid, UploadMissing
from kist.model.content import OpenParts, PartRef, PutRules, Stored
from kist.model.place import Place
from kist.model.signatures import check_part_number
from kist.ports.system import Clock, Ids
from kist.ports.wiring import Aside
from kist.stores.disk import parts, reader
from kist.stores.disk.facts import nanoseconds
from kist.stores.disk.incoming import Incoming


class Multipart:
    """``TakesParts`` and the part of ``Receives`` that takes bytes in."""

    def __init__(self, root: Path, aside: Aside, clock: Clock, ids: Ids) -> None:
        self._root = root
        self._aside = aside
        self._clock = clock
        self._ids = ids

    async def start_parts(self, place: Place, rules: PutRules) -> str:
        return await self._aside(parts.start, self._root, place, self._ids.token(), nanoseconds(self._clock.now()))

    async def put_part(self, place: Place, parts_id: str, number: int, body: bytes) -> PartRef:
        return await self.receive_part(place, parts_id, number, _one(body), len(body))

    async def receive_part(
        self, place: Place, parts_id: str, number: int, body: AsyncIterable[bytes], size: int
    ) -> PartRef:
        check_part_number(number)
        draft = parts.PartDraft(self._root, place, parts_id, number, self._ids.token())
        incoming = Incoming(draft, self._aside)
        try:
            await incoming.receive(body, size)
            return await incoming.finish(nanoseconds(self._clock.now()))
        except BaseException as error:
            await incoming.give_up(error)
            raise

    async def parts(self, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
        for part in await self._aside(parts.listed, self._root, place, parts_id):
            yield part

    async def finish_parts(self, place: Place, parts_id: str, named: Sequence[PartRef]) -> Stored:
        if not named:
            raise Invalid("a multipart upload cannot be finished without a part")
        in_order = sorted(named, key=lambda part: part.number)
        try:
            await self._aside(parts.check, self._root, place, parts_id, in_order)
            stored = await self._join(place, parts_id, in_order)
        except (UploadMissing, Incomplete):
            found = await self._finished_before(place, parts_id, sum(part.size for part in in_order))
            if found is None:
                raise
            stored = found
        await self.drop_parts(place, parts_id)
        return stored

    async def drop_parts(self, place: Place, parts_id: str) -> None:
        await self._aside(parts.drop, self._root, place, parts_id)

    async def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        for each in await self._aside(parts.uploads, self._root, bucket, prefix):
            yield each

    async def _join(self, place: Place, parts_id: str, in_order: Sequence[PartRef]) -> Stored:
        incoming = Incoming(parts.Joined(self._root, place, parts_id, self._ids.token()), self._aside)
        try:
            for part in in_order:
                opened = await self._aside(parts.open_part, self._root, place, parts_id, part)
                try:
                    await incoming.take(opened)
                finally:
                    opened.close()
            return await incoming.finish(nanoseconds(self._clock.now()))
        except BaseException as error:
            await incoming.give_up(error)
            raise

    async def _finished_before(self, place: Place, parts_id: str, size: int) -> Stored | None:
        """What somebody else has just made of these parts, or we ourselves, and the answer was lost."""
        if await self._aside(parts.is_open, self._root, place, parts_id):
            return None
        found = await self._aside(reader.head, self._root, place)
        return found if found is not None and found.size == size else None


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body
