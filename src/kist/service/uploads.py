"""Uploads through the server: begin (gate, limits, rows), accept (bytes), complete (look, commit) or abort.

Each proxied upload brings its bytes straight to a place that is new and that nobody else can write, so nothing has to
be copied to seal it. Rows are committed before the first byte moves; ``ready`` only after the bytes are durable and
were looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec

from kist.errors import Clash, FileMissing, KistError, NotSignedIn, Stale, TooLarge, WrongState, WrongType
from kist.model.actor import Action, Actor
from kist.model.changes import Add, Change, Count, Counter, Drop, Swap
from kist.model.content import PutRules
from kist.model.file import File, FileState
from kist.model.media import clean_type, contradicts
from kist.model.metadata import check_metadata
from kist.model.names import clean_name
from kist.model.place import OBJECTS
from kist.model.rows import Doomed, Idempotency
from kist.model.upload import Intent, Repeat, Upload, UploadState
from kist.service.arrival import Arrival, watched
from kist.service.files import TRIES, Files, audited, check_bucket_known, doomed_after_reads
from kist.service.ports import Ports
from kist.service.repeats import Repeats

Precondition = Callable[[File], bool]
"""Whether the current file is the one that the caller means to replace (If-Match)."""


class Incoming:
    """One upload under way. Give it the bytes with ``accept``, then ``complete`` it, inside ``receiving``."""

    def __init__(
        self, uploads: Uploads, actor: Actor, upload: Upload, file: File, only_if: Precondition | None = None
    ) -> None:
        self.actor = actor
        self.upload = upload
        self.file = file
        self.only_if = only_if
        self.record: Idempotency | None = None
        self.detected: str | None = None
        self.arrival = Arrival(upload.max_size, upload.size)
        self.result: File | None = None
        self._uploads = uploads

    async def accept(self, body: AsyncIterable[bytes]) -> None:
        """Take the whole of ``body`` into the store.

        ``TooLarge``, ``Incomplete``, ``BadChecksum``, ``WrongType``, and what the store may raise.
        """
        await self._uploads.accept(self, body)

    async def complete(self, *, name: str | None = None) -> File:
        """Make the file ready (or swap its content) and return it. ``name`` overrides the one given at the start."""
        return await self._uploads.complete(self, name)


class Uploads:
    """Every way in for bytes that pass through the server."""

    def __init__(self, ports: Ports, files: Files) -> None:
        self._ports = ports
        self._files = files
        self._repeats = Repeats(ports)

    async def receive(self, actor: Actor, intent: Intent, body: AsyncIterable[bytes]) -> File:
        """Store ``body`` as a new file of ``actor``. A repeat of an earlier request gets the earlier answer."""
        earlier = await self.earlier(actor, intent.repeat)
        if earlier is not None:
            return earlier
        async with self.receiving(actor, intent) as incoming:
            await incoming.accept(body)
            return await incoming.complete()

    async def replace(
        self,
        actor: Actor,
        file_id: str,
        intent: Intent,
        body: AsyncIterable[bytes],
        *,
        only_if: Precondition | None = None,
    ) -> File:
        """Replace the content of a file; readers see the old bytes or the new, never a mixture."""
        async with self.replacing(actor, file_id, intent, only_if=only_if) as incoming:
            await incoming.accept(body)
            return await incoming.complete()

    async def earlier(self, actor: Actor, repeat: Repeat | None) -> File | None:
        """The answer to an earlier request with the same idempotency key, None when this is the first.

        ``Invalid`` when the key was used for another request, ``InProgress`` while the first is being carried out.
        """
        return await self._repeats.earlier(actor, repeat)

    @asynccontextmanager
    async def receiving(self, actor: Actor, intent: Intent) -> AsyncIterator[Incoming]:
        """A new file on its way in. Rows are there before the block runs; leaving it unfinished takes them away.

        ``NotSignedIn``, ``BadName``, ``TooLarge`` (by the declared size), ``BucketMissing``, ``InProgress``.
        """
        incoming = await self._begin(actor, intent)
        async with self._ending(incoming):
            yield incoming

    @asynccontextmanager
    async def replacing(
        self, actor: Actor, file_id: str, intent: Intent, *, only_if: Precondition | None = None
    ) -> AsyncIterator[Incoming]:
        """New content on its way in for a file that is there. ``Stale`` when ``only_if`` says no. The name stays."""
        file = await self._files.get(actor, file_id, Action.WRITE)
        if only_if is not None and not only_if(file):
            raise Stale("the file has changed since: read it again")
        upload = self._upload(actor, intent, file, new=False)
        await self._ports.catalogue.commit(Add(upload), *self._reserve(upload))
        async with self._ending(Incoming(self, actor, upload, file, only_if)) as incoming:
            yield incoming

    async def accept(self, incoming: Incoming, body: AsyncIterable[bytes]) -> None:
        """Put ``body`` where the upload says, and look at what arrived."""
        upload, arrival, ports = incoming.upload, incoming.arrival, self._ports
        rules = PutRules(type=upload.type, size=upload.size)
        stored = await ports.store.put(upload.place, self._alive(incoming, watched(body, arrival)), rules)
        arrival.check(stored, upload.sha256)
        incoming.detected = ports.detect(arrival.head)
        if ports.limits.refuse_mismatch and contradicts(upload.type, incoming.detected):
            raise WrongType(f"declared as {upload.type}, but the bytes are {incoming.detected}")

    async def complete(self, incoming: Incoming, name: str | None) -> File:
        """Commit the file as ready, or its new content."""
        for _ in range(TRIES):
            file = self._finished(incoming, name)
            try:
                await self._ports.catalogue.commit(*self._completion(incoming, file))
            except Clash as clash:
                await self._look_again(incoming, clash)
                continue
            incoming.result = file
            return file
        raise Clash("too many others are replacing this file: try again")

    async def end(self, upload: Upload) -> None:
        """End an upload that nobody will finish: its rows go, its reservation is freed, its bytes are doomed.

        Safe to repeat and to race with the upload itself: one of the two wins.
        """
        changes: list[Change] = [Drop(upload), *self._release(upload), *self._leftovers(upload)]
        if upload.new:
            changes.append(Drop(await self._ports.catalogue.file(upload.file_id)))
        if (record := await self._repeats.open_record(upload)) is not None:
            changes.append(Drop(record))
        await self._ports.catalogue.commit(*changes)

    async def _begin(self, actor: Actor, intent: Intent) -> Incoming:
        ports = self._ports
        if not actor.signed_in:
            raise NotSignedIn("sign in first: send a key as Authorization: Bearer")
        now = ports.clock.now()
        file = File(
            id=ports.ids.uuid(),
            name=clean_name(intent.name),
            owner=actor.id,
            bucket=check_bucket_known(ports, intent.bucket),
            key=OBJECTS + ports.ids.token(),
            state=FileState.PENDING,
            created_at=now,
            updated_at=now,
            type=clean_type(intent.type),
            metadata=check_metadata(intent.metadata),
        )
        upload = self._upload(actor, intent, file, new=True)
        incoming = Incoming(self, actor, upload, file)
        incoming.record = self._repeats.record(actor, intent.repeat)
        record = () if incoming.record is None else (Add(incoming.record),)
        try:
            await ports.catalogue.commit(Add(file), Add(upload), *self._reserve(upload), *record)
        except Clash as clash:
            if incoming.record is None:
                raise
            raise self._repeats.in_progress() from clash
        return incoming

    def _upload(self, actor: Actor, intent: Intent, file: File, *, new: bool) -> Upload:
        ports = self._ports
        limit = ports.limits.max_upload_size
        if intent.size is not None and intent.size > limit:
            raise TooLarge(f"the file has {intent.size} bytes, at most {limit} are allowed here", limit=limit)
        now = ports.clock.now()
        return Upload(
            id=ports.ids.uuid(),
            file_id=file.id,
            owner=file.owner,
            actor=actor.id,
            door=intent.door,
            state=UploadState.OPEN,
            bucket=file.bucket,
            key=file.key if new else OBJECTS + ports.ids.token(),
            new=new,
            name=file.name,
            type=clean_type(intent.type),
            size=intent.size,
            sha256=intent.sha256,
            max_size=limit,
            reserved=intent.size or 0,
            started_at=now,
            deadline=now + ports.limits.lease,
            repeat_key=intent.repeat.key if intent.repeat else None,
        )

    def _reserve(self, upload: Upload) -> tuple[Change, ...]:
        return self._counts(upload, 1)

    def _release(self, upload: Upload) -> tuple[Change, ...]:
        return self._counts(upload, -1)

    def _counts(self, upload: Upload, sign: int) -> tuple[Change, ...]:
        counts: list[Change] = [Count(owner=upload.owner, counter=Counter.UPLOADS, by=sign)]
        if upload.new:
            counts.append(Count(owner=upload.owner, counter=Counter.FILES, by=sign))
        if upload.reserved:
            counts.append(Count(owner=upload.owner, counter=Counter.BYTES, by=sign * upload.reserved))
        return tuple(counts)

    def _leftovers(self, upload: Upload) -> tuple[Change, ...]:
        """The place is doomed twice: now, and again when no write that was given up can still land there."""
        now = self._ports.clock.now()
        return tuple(
            Add(
                Doomed(
                    id=self._ports.ids.uuid(),
                    bucket=upload.bucket,
                    key=upload.key,
                    not_before=moment,
                    unfinished=True,
                )
            )
            for moment in (now, now + self._ports.limits.late_write)
        )

    async def _alive(self, incoming: Incoming, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Pass ``body`` on and move the deadline of its upload while bytes flow."""
        clock, lease = self._ports.clock, self._ports.limits.lease
        renew_at = clock.ticks() + lease.total_seconds() / 4
        async for block in body:
            if clock.ticks() >= renew_at:
                renew_at = clock.ticks() + lease.total_seconds() / 4
                later: Upload = msgspec.structs.replace(incoming.upload, deadline=clock.now() + lease)
                try:
                    await self._ports.catalogue.commit(Swap(incoming.upload, later))
                except Clash as clash:
                    raise _ended() from clash
                incoming.upload = later
            yield block

    def _finished(self, incoming: Incoming, name: str | None) -> File:
        arrival, upload = incoming.arrival, incoming.upload
        finished: File = msgspec.structs.replace(
            incoming.file,
            name=incoming.file.name if name is None else clean_name(name),
            key=upload.key,
            state=FileState.READY,
            size=arrival.size,
            type=upload.type,
            detected=incoming.detected,
            sha256=arrival.sha256,
            version=incoming.file.version + (0 if upload.new else 1),
            updated_at=self._ports.clock.now(),
        )
        return finished

    def _completion(self, incoming: Incoming, file: File) -> list[Change]:
        upload, before = incoming.upload, incoming.file
        changes: list[Change] = [Drop(upload), Swap(before, file)]
        changes.append(Count(owner=file.owner, counter=Counter.UPLOADS, by=-1))
        grown = file.size - upload.reserved - (0 if upload.new else before.size)
        if grown:
            changes.append(Count(owner=file.owner, counter=Counter.BYTES, by=grown))
        if not upload.new:
            changes.append(doomed_after_reads(self._ports, before))
            changes.extend(audited(self._ports, incoming.actor, Action.WRITE, before))
        if incoming.record is not None:
            changes.append(Swap(incoming.record, self._repeats.answered(incoming.record, file)))
        return changes

    async def _look_again(self, incoming: Incoming, clash: Clash) -> None:
        """After a lost race: take the file as it is now, if this upload may still go on."""
        if incoming.upload.new or clash.about.get("change") == 0:
            raise _ended() from clash
        incoming.file = await self._files.get(incoming.actor, incoming.upload.file_id, Action.WRITE)
        if incoming.only_if is not None and not incoming.only_if(incoming.file):
            raise Stale("the file has changed since: read it again") from clash

    @asynccontextmanager
    async def _ending(self, incoming: Incoming) -> AsyncIterator[Incoming]:
        """Whatever happens inside, no upload is left open behind it that could still be ended."""
        try:
            yield incoming
        finally:
            if incoming.result is None:
                await self._abort(incoming)

    async def _abort(self, incoming: Incoming) -> None:
        """End an upload after a failure. The caller is owed that error: what fails here is left to the chores."""
        with suppress(KistError):
            try:
                await self.end(incoming.upload)
            except (Clash, FileMissing):
                await self._doom_late_bytes(incoming.upload)

    async def _doom_late_bytes(self, upload: Upload) -> None:
        """Somebody else ended this upload: what it wrote since then must go too, unless it was completed after all."""
        try:
            kept = (await self._ports.catalogue.file(upload.file_id)).key
        except FileMissing:
            kept = ""
        if kept != upload.key:
            await self._ports.catalogue.commit(self._leftovers(upload)[-1])


def _ended() -> WrongState:
    return WrongState("this upload showed no sign of life for too long and was ended: send it again")
