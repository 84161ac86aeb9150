"""Complete an upload by ticket: claim it, make the sealed object, look at that object, commit once.

Whatever the holder of the ticket does meanwhile happens at a place that nobody reads from. The steps:

claim    open → sealing, with a deadline and a key that is new for this attempt         one commit
seal     copy from the staging place, or join the parts                                 the store
look     size, first bytes, digests, of the sealed object                               ``looking``
finish   sealing → done, the file ready, what was reserved settled                      one commit
or       back to open (the bytes are not there), or refused (they break a rule)         one commit

An attempt that died is taken over after its deadline, with another key.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from kist.errors import (
    Clash,
    Expired,
    FileMissing,
    Incomplete,
    InProgress,
    KistError,
    ObjectMissing,
    UploadMissing,
    UploadRefused,
    WrongState,
)
from kist.model.changes import Change, Count, Swap, lost
from kist.model.content import PartRef, PutRules, Stored
from kist.model.file import File, FileState, Visibility
from kist.model.place import OBJECTS, Place
from kist.model.ticket import length_of_part, part_count
from kist.model.upload import Upload, UploadState, Way
from kist.service.accounts import over, settled
from kist.service.ending import end_ticket
from kist.service.files import TRIES
from kist.service.looking import Seen, look
from kist.service.outbox import doomed_after_reads, doomed_target, doomed_tickets
from kist.service.ports import Ports
from kist.service.superseding import superseded

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.25
MOST_NAMED = 20
"""Of the parts that are missing, how many are named."""

Etags = Mapping[int, str]


class Sealer:
    """Completes uploads, for callers and for chores."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def complete(self, upload: Upload, etags: Etags | None = None) -> File:
        """The file that ``upload`` makes. Safe to call as often as one likes, from anywhere: it happens once.

        ``etags``: of the parts, by number, where the client has them; they are compared. ``Incomplete`` when the
        bytes are not there yet, ``UploadRefused`` when they break a rule, ``InProgress`` when somebody else has been
        at it for ten seconds, ``Expired`` or ``WrongState`` when the upload has ended otherwise.
        """
        clock = self._ports.clock
        give_up, pause = clock.ticks() + self._ports.limits.patience.total_seconds(), FIRST_PAUSE
        while True:
            if upload.state is UploadState.DONE:
                return await self._made(upload)
            check_unended(upload)
            if upload.state is UploadState.OPEN or upload.deadline <= clock.now():
                claimed = await self._claim(upload)
                if claimed is not None:
                    return await self._attempt(claimed, etags)
            elif clock.ticks() >= give_up:
                raise InProgress("this upload is being completed by another call: ask again", after=1)
            else:
                await clock.pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            upload = await self._ports.catalogue.upload(upload.id)

    async def settle(self, file_id: str) -> bool:
        """Complete what may be completed for a file whose upload nobody else will complete. Whether it was."""
        upload = await self._ports.catalogue.upload_of(file_id)
        if upload is None or not upload.settles:
            return False
        try:
            await self.complete(upload)
        except (Incomplete, UploadRefused, InProgress, FileMissing, Expired, WrongState):
            return False
        return True

    async def _made(self, upload: Upload) -> File:
        file = await self._ports.catalogue.file(upload.file_id)
        if file.state is not FileState.READY:
            raise FileMissing("there is no such file")
        return file

    async def _claim(self, upload: Upload) -> Upload | None:
        """Take the upload for one attempt; None when somebody else was quicker."""
        claimed: Upload = msgspec.structs.replace(
            upload,
            state=UploadState.SEALING,
            deadline=self._ports.clock.now() + self._ports.limits.lease,
            target=upload.key if upload.way is Way.PARTS else OBJECTS + self._ports.ids.token(),
        )
        abandoned = () if upload.way is Way.PARTS else doomed_target(self._ports, upload)
        try:
            await self._ports.catalogue.commit(Swap(upload, claimed), *abandoned)
        except Clash:
            return None
        return claimed

    async def _attempt(self, upload: Upload, etags: Etags | None) -> File:
        try:
            seen = await look(self._ports, upload, await self._seal(upload, etags))
            return await self._finish(upload, seen)
        except UploadRefused as refusal:
            await self._refuse(upload, refusal)
            raise
        except KistError as error:
            with suppress(KistError):  # the deadline frees it otherwise
                await self._reopen(upload, touched=not isinstance(error, Incomplete))
            raise

    async def _seal(self, upload: Upload, etags: Etags | None) -> Stored:
        """The sealed object. ``Incomplete`` when not all of the bytes are there."""
        if upload.way is Way.PARTS:
            return await self._join(upload, etags)
        store = self._ports.seals
        assert store is not None
        target = Place(upload.bucket, upload.target or "")
        try:
            return await store.seal(upload.place, target, await put_rules(self._ports, upload))
        except ObjectMissing as error:
            raise Incomplete("no bytes have arrived for this upload yet: send them, then complete it") from error

    async def _join(self, upload: Upload, etags: Etags | None) -> Stored:
        store, parts_id = self._ports.takes_parts, upload.parts_id
        assert store is not None
        if parts_id is None:
            raise Incomplete("no bytes have arrived for this upload yet: send them, then complete it")
        try:
            refs = {ref.number: ref async for ref in store.parts(upload.place, parts_id)}
            parts = [_checked(upload, number, refs, etags or {}) for number in _whole(upload, refs)]
            return await store.finish_parts(upload.place, parts_id, parts)
        except UploadMissing as error:
            try:
                return await self._ports.store.head(upload.place)  # joined by an attempt that did not live to tell
            except ObjectMissing:
                raise Incomplete("the store has dropped the parts of this upload: start it over") from error

    async def _finish(self, upload: Upload, seen: Seen) -> File:
        """Make the file ready, or give it its new content."""
        for _ in range(TRIES):
            before = await self._ports.catalogue.file(upload.file_id)
            if not upload.new and before.state is not FileState.READY:
                raise UploadRefused("the file that this was to replace has been removed", reason="file_missing")
            file = self._file(upload, before, seen)
            changes = [*await superseded(self._ports, file), *self._changes(upload, before, file)]
            try:
                await self._ports.catalogue.commit(*changes)
            except Clash as clash:
                await self._look_again(upload, lost(changes, clash), clash)
                continue
            return file
        raise Clash("too many others are replacing this file: try again")

    def _file(self, upload: Upload, before: File, seen: Seen) -> File:
        file: File = msgspec.structs.replace(
            before,
            key=seen.stored.place.key,
            state=FileState.READY,
            size=seen.stored.size,
            type=upload.type,
            detected=seen.detected,
            sha256=seen.sha256,
            version=before.version + (0 if upload.new else 1),
            updated_at=self._ports.clock.now(),
        )
        return file

    def _changes(self, upload: Upload, before: File, file: File) -> list[Change]:
        done = msgspec.structs.replace(upload, state=UploadState.DONE, ended_at=self._ports.clock.now())
        changes: list[Change] = [Swap(upload, done), Swap(before, file)]
        changes += settled(upload, before, file, self._ports.limits)
        if upload.way is not Way.PARTS:
            changes += doomed_tickets(self._ports, upload)
        if not upload.new:
            changes.append(doomed_after_reads(self._ports, before))
        return changes

    async def _look_again(self, upload: Upload, change: Change | None, clash: Clash) -> None:
        """After a lost race: go on if only the file has changed."""
        if isinstance(change, Count):
            refusal = over(change, clash)
            raise UploadRefused(refusal.message, reason=refusal.code) from clash
        if isinstance(change, Swap) and isinstance(change.before, Upload):
            raise InProgress("another call has taken this upload over: ask again", after=1) from clash

    async def _refuse(self, upload: Upload, refusal: UploadRefused) -> None:
        reason = f"{refusal.about.get('reason', refusal.code)}: {refusal.message}"
        with suppress(Clash):  # taken over: the other attempt sees the same bytes
            await end_ticket(self._ports, upload, UploadState.REFUSED, reason)

    async def _reopen(self, upload: Upload, *, touched: bool) -> None:
        """Give the upload back. ``touched``: something may lie, or yet come to lie, at the key of this attempt."""
        opened = msgspec.structs.replace(
            upload, state=UploadState.OPEN, deadline=open_until(self._ports, upload), target=None
        )
        left = doomed_target(self._ports, upload) if touched and upload.way is not Way.PARTS else ()
        await self._ports.catalogue.commit(Swap(upload, opened), *left)


async def put_rules(ports: Ports, upload: Upload) -> PutRules:
    """How the object of ``upload`` is to be kept; with its file's visibility where the bucket holds ACLs."""
    acl = None
    if ports.limits.bucket_acls:
        visibility = (await ports.catalogue.file(upload.file_id)).visibility
        acl = None if visibility is Visibility.PRIVATE else visibility.value
    return PutRules(type=upload.type, size=upload.size, acl=acl)


def open_until(ports: Ports, upload: Upload) -> datetime:
    """When the chore may end an open upload: once what its ticket let in can no longer be on its way."""
    return (upload.expires_at or ports.clock.now()) + ports.limits.late_write


def check_unended(upload: Upload) -> None:
    """Raise what the caller of an ended upload is told; nothing for one that is open, sealing or done."""
    if upload.state is UploadState.REFUSED:
        code, _, message = (upload.reason or "").partition(": ")
        raise UploadRefused(message, reason=code)
    if upload.state is UploadState.EXPIRED:
        raise Expired("the time for this upload is over: start it over")
    if upload.state is UploadState.ABORTED:
        raise WrongState("this upload was aborted: start it over", state=upload.state.value)


def _whole(upload: Upload, refs: Mapping[int, PartRef]) -> range:
    """The numbers of all parts. ``Incomplete`` when some have not arrived whole."""
    numbers = range(1, part_count(upload) + 1)
    absent = [number for number in numbers if not _arrived(upload, refs.get(number))]
    if absent:
        some = ", ".join(map(str, absent[:MOST_NAMED])) + (" …" if len(absent) > MOST_NAMED else "")
        raise Incomplete(f"{len(absent)} of {len(numbers)} parts have not arrived: {some}", missing=absent[:MOST_NAMED])
    return numbers


def _arrived(upload: Upload, ref: PartRef | None) -> bool:
    return ref is not None and ref.size == length_of_part(upload, ref.number)


def _checked(upload: Upload, number: int, refs: Mapping[int, PartRef], etags: Etags) -> PartRef:
    ref = refs[number]
    if number in etags and etags[number].strip('"') != ref.etag:
        raise Incomplete(f"part {number} is another one than you name: send it again", missing=[number])
    return ref
