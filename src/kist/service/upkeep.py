"""What the chores ask of the service: end uploads that nobody finishes, erase bytes that nobody needs."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

from kist.errors import Broken, BucketMissing, BucketNotEmpty, Clash, FileMissing, KistError
from kist.model.changes import Drop
from kist.model.ends import BucketEnd, read_end
from kist.model.file import File, FileState
from kist.model.link import Link
from kist.model.place import TRASH, Place
from kist.model.rows import Doomed
from kist.model.trash import Trash
from kist.model.upload import Upload, UploadState
from kist.service.ending import end, end_ticket
from kist.service.ports import Ports, looked_after
from kist.service.sealing import Sealer

BATCH = 500

log = logging.getLogger("kist")


class Upkeep:
    """Idempotent duties, safe to run twice and on two hosts at once: every change is a compare-and-set.

    What has had its time is judged by the catalogue's clock: a host's own may be wrong.
    """

    def __init__(self, ports: Ports, sealer: Sealer) -> None:
        self._ports = ports
        self._sealer = sealer

    async def settle_uploads(self) -> int:
        """Complete those uploads that nobody else will complete and whose bytes have come. Returns how many."""
        settled, after = 0, ""
        while batch := await self._ports.catalogue.settling(BATCH, after):
            for upload in batch:
                settled += await self._settle(upload)
            after = batch[-1].id
        return settled

    async def end_overdue_uploads(self) -> int:
        """End every upload whose deadline has passed. Returns how many were ended.

        One that nobody will complete, or whose completion broke off, is completed instead if that can be done.
        """
        ended = 0
        while batch := await self._ports.catalogue.overdue(await self._now(), BATCH):
            before = ended
            for upload in batch:
                ended += await self._end(upload)
            if ended == before:
                break
        return ended

    async def forget_ended(self) -> int:
        """Drop uploads by ticket that ended a week ago, with their files if these never came, and links likewise."""
        dropped = 0
        before = await self._now() - self._ports.limits.ended_life
        while uploads := await self._ports.catalogue.ended_uploads(before, BATCH):
            done = sum([await self._dropped(upload, *await self._left_pending(upload)) for upload in uploads])
            dropped += done
            if done < BATCH:
                break
        while links := await self._ports.catalogue.old_links(before, BATCH):
            done = sum([await self._dropped(link) for link in links])
            dropped += done
            if done < BATCH:
                break
        return dropped

    async def forget_old_requests(self) -> int:
        """Drop the idempotency records whose day is over. Returns how many were dropped."""
        dropped = 0
        before = await self._now() - self._ports.limits.repeat_life
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
        while batch := await self._ports.catalogue.doomed(await self._now(), BATCH):
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

    async def erase_trash(self) -> int:
        """Erase what syncs put aside longer ago than it can be brought back. Returns how many.

        In a bucket that was not made here, where others may have a trash too, only what jobs of this Kist put aside.
        A bucket that refuses does not keep the others from being cleared; the first such error is raised at the end.
        """
        before = await self._now() - self._ports.limits.trash_life
        erased, first_error = 0, None
        own = await looked_after(self._ports)
        for bucket in (*own, *sorted(await self._synced_buckets() - {*own})):
            try:
                with suppress(BucketMissing):
                    erased += await self._erase_aside(bucket, before, foreign=bucket not in own)
            except KistError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        return erased

    async def _synced_buckets(self) -> set[str]:
        """The buckets that jobs were to write to, whoever made them."""
        found: set[str] = set()
        number: int | None = None
        while jobs := await self._ports.catalogue.jobs(None, BATCH, number):
            found |= {end.bucket for end in (read_end(job.dest) for job in jobs) if isinstance(end, BucketEnd)}
            number = jobs[-1].number
        return found

    async def erase_trash_in(self, bucket: str) -> int:
        """Erase all that syncs put aside in ``bucket``: it is to be removed. Returns how many objects.

        ``BucketNotEmpty``, and nothing is erased, when there is anything else.
        """
        async for listed in self._ports.store.list(bucket):
            if not listed.key.startswith(TRASH):
                raise BucketNotEmpty(f"the bucket is kept: {listed.key} has come meanwhile")
        return await self._erase_aside(bucket, None)

    async def _erase_aside(self, bucket: str, before: datetime | None, *, foreign: bool = False) -> int:
        erased, aside = 0, []
        ours = Trash(self._ports.catalogue.job, BucketEnd(bucket)) if foreign else None
        async for listed in self._ports.store.list(bucket, TRASH):
            if (before is None or listed.modified < before) and (ours is None or await ours.is_ours(listed.key)):
                aside.append(Place(bucket, listed.key))
            if len(aside) == BATCH:
                await self._ports.store.erase(*aside)
                erased, aside = erased + len(aside), []
        if aside:
            await self._ports.store.erase(*aside)
        return erased + len(aside)

    async def erase_in(self, bucket: str) -> int:
        """Erase the bytes of every doomed place of ``bucket`` at once: it is to be removed. Returns how many."""
        erased = 0
        while batch := await self._ports.catalogue.doomed_in(bucket, BATCH):
            with suppress(Clash):  # a chore was quicker with some of them: ask for the rest
                await self._erase(batch)
                erased += len(batch)
        return erased

    async def _now(self) -> datetime:
        return await self._ports.catalogue.now()

    async def _settle(self, upload: Upload) -> bool:
        try:
            await self._sealer.complete(upload)
        except KistError as error:
            if error.retry or isinstance(error, Broken):
                log.warning("upload %s could not be settled: %s", upload.id, error.message)
            return False
        return True

    async def _end(self, upload: Upload) -> bool:
        """Whether anything was ended or completed."""
        if upload.state is UploadState.SEALING or upload.settles:
            with suppress(KistError):
                await self._sealer.complete(upload)
            upload = await self._ports.catalogue.upload(upload.id)
            if upload.state is not UploadState.OPEN:
                return upload.state is not UploadState.SEALING
            if upload.deadline >= await self._now():
                return False
        try:
            if upload.way is None:
                await end(self._ports, upload)
            else:
                await end_ticket(self._ports, upload, UploadState.EXPIRED)
        except (Clash, FileMissing):
            return False  # it was completed, prolonged or ended meanwhile
        return True

    async def _left_pending(self, upload: Upload) -> tuple[File, ...]:
        """The file of a forgotten upload, where it never became one."""
        try:
            file = await self._ports.catalogue.file(upload.file_id)
        except FileMissing:
            return ()
        return (file,) if upload.new and file.state is FileState.PENDING else ()

    async def _dropped(self, *rows: Upload | File | Link) -> bool:
        try:
            await self._ports.catalogue.commit(*(Drop(row) for row in rows))
        except Clash:
            return False
        return True

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
