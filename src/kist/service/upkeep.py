"""What the chores ask of the service: end uploads that nobody finishes, erase bytes that nobody needs."""

from __future__ import annotations

from kist.errors import Clash, FileMissing, KistError
from kist.model.changes import Drop
from kist.model.rows import Doomed
from kist.service.ending import end
from kist.service.ports import Ports

BATCH = 500


class Upkeep:
    """Idempotent duties, safe to run twice and on two hosts at once: every change is a compare-and-set."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def end_overdue_uploads(self) -> int:
        """End every upload whose deadline has passed. Returns how many were ended."""
        ended = 0
        while batch := await self._ports.catalogue.overdue(self._ports.clock.now(), BATCH):
            before = ended
            for upload in batch:
                try:
                    await end(self._ports, upload)
                except (Clash, FileMissing):
                    continue  # it was completed, prolonged or ended meanwhile
                ended += 1
            if ended == before:
                break
        return ended

    async def forget_old_requests(self) -> int:
        """Drop the idempotency records whose day is over. Returns how many were dropped."""
        dropped = 0
        before = self._ports.clock.now() - self._ports.limits.repeat_life
        while batch := await self._ports.catalogue.old_idempotency(before, BATCH):
            for record in batch:
                try:
                    await self._ports.catalogue.commit(Drop(record))
                except Clash:
                    continue  # another host's chore was quicker
                dropped += 1
            if len(batch) < BATCH:
                break
        return dropped

    async def erase_doomed(self) -> int:
        """Erase the bytes of doomed places whose time has come. Returns how many places were erased.

        A place that the store will not erase stays doomed and does not keep the others from being erased; the first
        such error is raised at the end.
        """
        erased = 0
        first_error: KistError | None = None
        while batch := await self._ports.catalogue.doomed(self._ports.clock.now(), BATCH):
            try:
                await self._erase(batch)
                erased += len(batch)
            except KistError:
                done, error = await self._erase_one_by_one(batch)
                erased += done
                first_error = first_error or error
            if first_error is not None or len(batch) < BATCH:
                break
        if first_error is not None:
            raise first_error
        return erased

    async def _erase(self, batch: tuple[Doomed, ...]) -> None:
        for doomed in batch:
            if doomed.unfinished:
                await self._ports.store.clear(doomed.place)
        await self._ports.store.erase(*(doomed.place for doomed in batch))
        try:
            await self._ports.catalogue.commit(*(Drop(doomed) for doomed in batch))
        except Clash:
            if len(batch) > 1:
                raise  # another host's chore took some of them: go through them one by one

    async def _erase_one_by_one(self, batch: tuple[Doomed, ...]) -> tuple[int, KistError | None]:
        done = 0
        first: KistError | None = None
        for doomed in batch:
            try:
                await self._erase((doomed,))
                done += 1
            except KistError as error:
                first = first or error
        return done, first
