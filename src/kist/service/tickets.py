"""Uploads whose bytes go straight to the store: begin, sign, start over, complete, abort.

The rows are committed before anything is handed out, so that whatever arrives by a ticket has a row that says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from kist.errors import (
    Clash,
    FileMissing,
    InProgress,
    Invalid,
    UploadMissing,
    WrongState,
)
from kist.model.actor import Action, Actor
from kist.model.address import Address
from kist.model.changes import Add, Change, Swap, lost
from kist.model.content import PartRef
from kist.model.file import File, FileState
from kist.model.place import PARTS, STAGING
from kist.model.rows import Idempotency
from kist.model.ticket import FIRST_PARTS, SignedPart, Ticket, part_count, part_size
from kist.model.upload import Declared, Door, Intent, Repeat, Upload, UploadState, Way
from kist.service.accounts import over, reserved
from kist.service.audits import audited
from kist.service.ending import end_ticket
from kist.service.files import Files
from kist.service.gate import check_signed_in
from kist.service.outbox import doomed_tickets
from kist.service.ports import Ports
from kist.service.repeats import Repeats, in_progress
from kist.service.rules import new_file, new_upload, reserve
from kist.service.sealing import Etags, Sealer, check_unended, open_until, put_rules
from kist.service.signing import is_plain, parts_end, signed_form, signed_parts, signed_put
from kist.service.ways import OpenWay, Ways


@dataclass(frozen=True)
class Wish:
    """How a caller wants to upload directly. ``way`` None: the safest that is open. ``settles``: without complete.

    ``plain``: by a PUT of any size without any header, for contracts whose clients send none. ``life``: of the
    ticket, None for the usual.
    """

    way: Way | None = None
    settles: bool = False
    plain: bool = False
    life: timedelta | None = None


class Tickets:
    """Every way in for bytes that do not pass through the server."""

    def __init__(self, ports: Ports, files: Files, sealer: Sealer, ways: Ways) -> None:
        self._ports = ports
        self._files = files
        self._sealer = sealer
        self._ways = ways
        self._repeats = Repeats(ports)

    async def begin(self, actor: Actor, intent: Intent, wish: Wish = Wish(), *, at: Address | None = None) -> Ticket:
        """A ticket for a new file of ``actor``. A repeat of an earlier request gets a ticket for the same upload.

        ``at``: the address where a contract puts it.
        ``NotSignedIn``, ``BadName``, ``Invalid``, ``TooLarge``, ``WrongType``, ``BucketMissing``, ``TooMany``,
        ``OverQuota``, ``UnsafeWay``, ``Unsupported``.
        """
        check_signed_in(actor)
        earlier = await self._repeats.answer(actor, intent.repeat)
        if earlier is not None:
            return await self.ticket(actor, earlier.decode())
        file = await new_file(self._ports, actor, intent, STAGING, at)
        way = await self._ways.choose(file.bucket, wish.way, intent.size, plain=wish.plain)
        upload = self._upload(actor, intent, file, way, wish)
        file = msgspec.structs.replace(file, key=upload.key)
        return await self._open(upload, way, [Add(file), *self._remembered(actor, intent.repeat, upload)])

    async def replace(
        self, actor: Actor, file_id: str, declared: Declared, wish: Wish = Wish(), repeat: Repeat | None = None
    ) -> Ticket:
        """A ticket for new content of a file that is there: readers keep the old until this is complete.

        ``repeat`` as with ``begin``.
        """
        check_signed_in(actor)
        earlier = await self._repeats.answer(actor, repeat)
        if earlier is not None:
            return await self.ticket(actor, earlier.decode())
        file = await self._files.get(actor, file_id, Action.WRITE)
        way = await self._ways.choose(file.bucket, wish.way, declared.size, plain=wish.plain)
        upload = self._upload(actor, declared, file, way, wish)
        entry = audited(self._ports, actor, Action.WRITE, file)
        return await self._open(upload, way, [*entry, *self._remembered(actor, repeat, upload)])

    async def again(self, actor: Actor, file_id: str, wish: Wish = Wish()) -> Ticket:
        """A new ticket for a file that has never been complete, whatever became of the tickets before.

        ``FileMissing`` when there is no such file of ``actor``; then as ``ticket`` and ``begin``.
        """
        check_signed_in(actor)
        file = await self._ports.catalogue.file(file_id)
        if file.state is not FileState.PENDING or not (actor.is_admin or actor.id == file.owner):
            raise FileMissing("there is no such file, or it is complete")
        under_way = await self._ports.catalogue.upload_of(file_id)
        if under_way is not None:
            return await self.ticket(actor, under_way.id, wish.life)
        way = await self._ways.choose(file.bucket, wish.way, None, plain=wish.plain)
        return await self._open(self._upload(actor, Declared(type=file.type), file, way, wish), way, [])

    async def get(self, actor: Actor, upload_id: str) -> Upload:
        """The upload, for whom it concerns: who began it, the owner of its file, admins. ``UploadMissing``."""
        check_signed_in(actor)
        upload = await self._ports.catalogue.upload(upload_id)
        concerned = actor.is_admin or actor.id in (upload.actor, upload.owner)
        if not concerned or upload.way is None:
            raise UploadMissing("there is no such upload")
        return upload

    async def arrived(self, upload: Upload) -> AsyncIterator[PartRef]:
        """The parts that have arrived, by number; none for an upload that has no parts or has ended."""
        store = self._ports.takes_parts
        if upload.parts_id is None or upload.state is not UploadState.OPEN or store is None:
            return
        try:
            async for ref in store.parts(upload.place, upload.parts_id):
                yield ref
        except UploadMissing:
            return

    async def sign(self, actor: Actor, upload_id: str, numbers: Sequence[int]) -> tuple[SignedPart, ...]:
        """Sign parts, for the first time or again: at most 100 in a call."""
        if not 1 <= len(numbers) <= FIRST_PARTS:
            raise Invalid(f"name 1 to {FIRST_PARTS} parts in a call", limit=FIRST_PARTS)
        upload = await self.get(actor, upload_id)
        self._check_open(upload)
        return signed_parts(self._ports, upload, numbers)

    async def ticket(self, actor: Actor, upload_id: str, life: timedelta | None = None) -> Ticket:
        """A new ticket for the same upload: the one before it, and what came by it, count no more.

        An upload in parts goes on where it is. One that has ended starts over: after completion with WRITE on its
        file, whose readers keep what they have until it is completed again.
        """
        upload = await self.get(actor, upload_id)
        if upload.state is UploadState.SEALING:
            raise InProgress("this upload is being completed: ask again", after=1)
        file = await self._file_to_fill(actor, upload)
        assert upload.way is not None
        way = await self._ways.choose(upload.bucket, upload.way, upload.size, plain=is_plain(upload))
        if upload.state is UploadState.OPEN and upload.way is Way.PARTS:
            expires_at = self._ports.clock.now() + self._ports.limits.upload_life
            return await self._issue(await self._started(await self._prolonged(upload, expires_at)), way)
        again = self._again(upload, file, life)
        was_open = upload.state is UploadState.OPEN
        changes = doomed_tickets(self._ports, upload) if was_open else reserved(again, self._ports.limits)
        entry = () if again.new else audited(self._ports, actor, Action.WRITE, file)
        await self._commit([Swap(upload, again), *changes, *entry])
        return await self._issue(await self._started(again), way)

    async def prolong(self, upload: Upload, life: timedelta) -> Ticket:
        """Sign an open plain upload again, for the same place. The caller has let the actor in."""
        way = await self._ways.choose(upload.bucket, upload.way, upload.size, plain=True)
        expires_at = self._ports.clock.now() + life
        return await self._issue(await self._prolonged(upload, expires_at), way)

    async def pending(self, actor: Actor, file_id: str) -> Upload:
        """The upload that is still to be completed for a file, if it concerns ``actor``. ``FileMissing``."""
        check_signed_in(actor)
        upload = await self._ports.catalogue.upload_of(file_id)
        if upload is None or not (actor.is_admin or actor.id in (upload.actor, upload.owner)):
            raise FileMissing("there is no such file, or nothing to complete for it")
        return upload

    async def complete_file(self, actor: Actor, file_id: str) -> File:
        """The file, once its upload is complete: for contracts that know the file's id alone. ``FileMissing`` when
        there is nothing to complete; and as ``complete``."""
        upload = await self.pending(actor, file_id)
        if upload.way is None:
            raise UploadMissing("there is no such upload")
        return await self._complete(actor, upload)

    async def complete(self, actor: Actor, upload_id: str, etags: Etags | None = None) -> File:
        """The file that the upload makes; see ``Sealer.complete``. ``FileMissing`` without WRITE on the file.

        Once it is made: as it is now, for whoever may read it now.
        """
        return await self._complete(actor, await self.get(actor, upload_id), etags)

    async def abort(self, actor: Actor, upload_id: str) -> None:
        """End an upload and forget its bytes. One that has ended without a file stays as it is."""
        upload = await self.get(actor, upload_id)
        if upload.state is UploadState.DONE:
            raise WrongState("this upload is complete: remove its file instead", state=upload.state.value)
        if upload.state is UploadState.SEALING:
            raise InProgress("this upload is being completed: ask again", after=1)
        if upload.state is UploadState.OPEN:
            try:
                await end_ticket(self._ports, upload, UploadState.ABORTED)
            except Clash as clash:
                raise InProgress("this upload has just changed: ask again", after=1) from clash

    async def _complete(self, actor: Actor, upload: Upload, etags: Etags | None = None) -> File:
        if upload.state is UploadState.DONE:
            return await self._files.get(actor, upload.file_id)
        if not upload.new:
            await self._files.get(actor, upload.file_id, Action.WRITE)
        return await self._sealer.complete(upload, etags)

    def _upload(self, actor: Actor, declared: Declared, file: File, way: OpenWay, wish: Wish) -> Upload:
        limits = self._ports.limits
        ticket = msgspec.structs.replace(declared, door=Door.TICKET)
        in_parts = way.way is Way.PARTS
        upload = new_upload(self._ports, actor, ticket, file, key=self._new_key(way.way), limit=self._most(declared))
        expires_at = upload.started_at + (wish.life or (limits.upload_life if in_parts else limits.ticket_life))
        made: Upload = msgspec.structs.replace(
            upload,
            way=way.way,
            settles=wish.settles,
            expires_at=expires_at,
            part_size=part_size(declared.size or 0) if in_parts else None,
        )
        return msgspec.structs.replace(made, deadline=open_until(self._ports, made))

    def _most(self, declared: Declared) -> int:
        """How many bytes may come. Without a size nothing is reserved: then no more than an owner may have in all."""
        limits = self._ports.limits
        if declared.size is None and limits.quota_bytes is not None:
            return min(limits.max_direct_size, limits.quota_bytes)
        return limits.max_direct_size

    def _remembered(self, actor: Actor, repeat: Repeat | None, upload: Upload) -> tuple[Change, ...]:
        """The record by which a repeat finds ``upload``."""
        record = self._repeats.record(actor, repeat)
        return () if record is None else (Add(msgspec.structs.replace(record, answer=upload.id.encode())),)

    def _new_key(self, way: Way) -> str:
        return (PARTS if way is Way.PARTS else STAGING) + self._ports.ids.token()

    def _again(self, upload: Upload, file: File, life: timedelta | None) -> Upload:
        """The upload as it starts over, at a new place."""
        limits = self._ports.limits
        life = life or (limits.upload_life if upload.way is Way.PARTS else limits.ticket_life)
        was_open = upload.state is UploadState.OPEN
        again: Upload = msgspec.structs.replace(
            upload,
            state=UploadState.OPEN,
            key=self._new_key(upload.way or Way.FORM),
            new=file.state is FileState.PENDING,
            reserved=upload.reserved if was_open else reserve(upload.size, file),
            expires_at=self._ports.clock.now() + life,
            parts_id=None,
            target=None,
            reason=None,
            ended_at=None,
        )
        return msgspec.structs.replace(again, deadline=open_until(self._ports, again))

    async def _file_to_fill(self, actor: Actor, upload: Upload) -> File:
        """The file of an upload that starts over: still pending, or one that the actor may replace."""
        file = await self._ports.catalogue.file(upload.file_id)
        if file.state is FileState.PENDING:
            return file
        return await self._files.get(actor, upload.file_id, Action.WRITE)

    async def _prolonged(self, upload: Upload, expires_at: datetime) -> Upload:
        """An open upload that lives at least until ``expires_at``."""
        later: Upload = msgspec.structs.replace(upload, expires_at=max(expires_at, upload.expires_at or expires_at))
        later = msgspec.structs.replace(later, deadline=open_until(self._ports, later))
        await self._commit([Swap(upload, later)])
        return later

    async def _open(self, upload: Upload, way: OpenWay, changes: list[Change]) -> Ticket:
        await self._commit([*changes, Add(upload), *reserved(upload, self._ports.limits)])
        return await self._issue(await self._started(upload), way)

    async def _started(self, upload: Upload) -> Upload:
        """The upload with the id of its multipart upload, begun at the store where that was not done yet."""
        if upload.way is not Way.PARTS or upload.parts_id is not None:
            return upload
        store = self._ports.takes_parts
        assert store is not None
        parts_id = await store.start_parts(upload.place, await put_rules(self._ports, upload))
        started: Upload = msgspec.structs.replace(upload, parts_id=parts_id)
        await self._commit([Swap(upload, started)])
        return started

    async def _issue(self, upload: Upload, way: OpenWay) -> Ticket:
        match upload.way:
            case Way.FORM:
                return signed_form(self._ports, upload, way.acl)
            case Way.PUT:
                return signed_put(self._ports, upload, way.acl)
            case _:
                first = range(1, min(part_count(upload), FIRST_PARTS) + 1)
                parts = signed_parts(self._ports, upload, first)
                return Ticket(upload=upload, parts=parts, expires_at=parts_end(self._ports, upload))

    def _check_open(self, upload: Upload) -> None:
        check_unended(upload)
        if upload.state is not UploadState.OPEN:
            raise WrongState("this upload is complete or being completed", state=upload.state.value)

    async def _commit(self, changes: list[Change]) -> None:
        try:
            await self._ports.catalogue.commit(*changes)
        except Clash as clash:
            match lost(changes, clash):
                case Add(Idempotency()):
                    raise in_progress() from clash
                case Swap():
                    raise InProgress("this upload has just changed: ask again", after=1) from clash
                case change:
                    raise over(change, clash) from clash
