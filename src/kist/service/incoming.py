"""One upload under way: accept the bytes, then complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from kist.errors import Clash, Stale, WrongState, WrongType
from kist.model.actor import Action, Actor
from kist.model.changes import Change, Count, Drop, Swap, lost
from kist.model.content import PutRules
from kist.model.file import File, FileState, Visibility
from kist.model.limits import Limits
from kist.model.media import contradicts
from kist.model.names import clean_name
from kist.model.rows import Idempotency
from kist.model.upload import Declared, Upload
from kist.service.accounts import over, settled
from kist.service.arrival import Arrival, watched
from kist.service.audits import audited
from kist.service.files import TRIES, Files
from kist.service.outbox import doomed_after_reads
from kist.service.ports import Ports
from kist.service.repeats import answered
from kist.service.superseding import superseded

Precondition = Callable[[File], bool]
"""Whether the current file is the one that the caller means to replace (If-Match)."""


@dataclass(frozen=True)
class Task:
    """What an upload is about: whose, its row, the file it makes or changes, and what must hold for that."""

    actor: Actor
    upload: Upload
    file: File
    only_if: Precondition | None = None
    record: Idempotency | None = None


class Incoming:
    """Made by ``Uploads.receiving`` or ``Uploads.replacing``; give it the bytes with ``accept``, then ``complete`` it.

    ``result`` is the file once it is complete. ``upload`` is the row as it stands in the catalogue.
    """

    def __init__(self, ports: Ports, files: Files, task: Task) -> None:
        self.upload = task.upload
        self.result: File | None = None
        self._ports = ports
        self._files = files
        self._task = task
        self._before = task.file
        self._arrival = Arrival(task.upload.max_size, task.upload.size)
        self._detected: str | None = None

    async def accept(self, body: AsyncIterable[bytes]) -> None:
        """Take the whole of ``body`` into the store and look at what arrived.

        ``TooLarge``, ``Incomplete``, ``BadChecksum``, ``WrongType``, and what the store may raise.
        """
        upload, arrival = self.upload, self._arrival
        rules = PutRules(type=upload.type, size=upload.size, acl=self._acl())
        stored = await self._ports.store.put(upload.place, self._alive(watched(body, arrival)), rules)
        arrival.check(stored, upload.sha256)
        self._detected = self._ports.detect(arrival.head)
        check_detected(self._ports.limits, upload.type, self._detected)

    @property
    def arrived(self) -> Declared:
        """What may be declared of the bytes now that they are here."""
        arrival, upload = self._arrival, self.upload
        return Declared(type=upload.type, size=arrival.size, sha256=arrival.sha256, door=upload.door)

    async def again(self) -> AsyncGenerator[bytes, None]:
        """The bytes that were accepted, back from the store: for what turns out to belong into another upload."""
        opened = await self._ports.store.open(self.upload.place)
        try:
            async for block in self._alive(opened.body):
                yield block
        finally:
            await opened.close()

    def _acl(self) -> str | None:
        """The visibility, where the bucket holds ACLs and the file is not private."""
        visibility = self._before.visibility
        shown = self._ports.limits.bucket_acls and visibility is not Visibility.PRIVATE
        return visibility.value if shown else None

    async def complete(self, *, name: str | None = None) -> File:
        """Make the file ready, or give it its new content, and return it. ``name`` overrides the one it has."""
        for _ in range(TRIES):
            file = self._finished(name)
            changes = [*await superseded(self._ports, file), *self._changes(file)]
            try:
                await self._ports.catalogue.commit(*changes)
            except Clash as clash:
                await self._look_again(lost(changes, clash), clash)
                continue
            self.result = file
            return file
        raise Clash("too many others are replacing this file: try again")

    async def _alive(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Pass ``body`` on and move the deadline of the upload while bytes flow."""
        clock, lease = self._ports.clock, self._ports.limits.lease
        renew_at = clock.ticks() + lease.total_seconds() / 4
        async for block in body:
            if clock.ticks() >= renew_at:
                renew_at = clock.ticks() + lease.total_seconds() / 4
                await self._prolong()
            yield block

    async def _prolong(self) -> None:
        deadline = self._ports.clock.now() + self._ports.limits.lease
        later: Upload = msgspec.structs.replace(self.upload, deadline=deadline)
        try:
            await self._ports.catalogue.commit(Swap(self.upload, later))
        except Clash as clash:
            raise _ended() from clash
        self.upload = later

    def _finished(self, name: str | None) -> File:
        finished: File = msgspec.structs.replace(
            self._before,
            name=self._before.name if name is None else clean_name(name),
            key=self.upload.key,
            state=FileState.READY,
            size=self._arrival.size,
            type=self.upload.type,
            detected=self._detected,
            sha256=self._arrival.sha256,
            version=self._before.version + (0 if self.upload.new else 1),
            updated_at=self._ports.clock.now(),
        )
        return finished

    def _changes(self, file: File) -> list[Change]:
        task, before = self._task, self._before
        changes: list[Change] = [
            Drop(self.upload),
            Swap(before, file),
            *settled(self.upload, before, file, self._ports.limits),
        ]
        if not self.upload.new:
            changes.append(doomed_after_reads(self._ports, before))
            changes.extend(audited(self._ports, task.actor, Action.WRITE, before))
        if task.record is not None:
            changes.append(Swap(task.record, answered(task.record, file)))
        return changes

    async def _look_again(self, change: Change | None, clash: Clash) -> None:
        """After a lost race: take the file as it is now, if this upload may still go on."""
        if isinstance(change, Count):
            raise over(change, clash) from clash
        if isinstance(change, Drop):
            raise _ended() from clash
        if self.upload.new:  # another file has come to its address since: that one makes room
            return
        task = self._task
        self._before = await self._files.get(task.actor, self.upload.file_id, Action.WRITE)
        if task.only_if is not None and not task.only_if(self._before):
            raise stale() from clash


def check_detected(limits: Limits, declared: str, detected: str | None) -> None:
    """``WrongType`` when what the first bytes show is not taken here, or is not what was declared and that matters."""
    if detected is not None and not limits.takes(detected):
        raise WrongType(f"the bytes are {detected}, which is not taken here: only {', '.join(limits.types)}")
    if limits.refuse_mismatch and contradicts(declared, detected):
        raise WrongType(f"declared as {declared}, but the bytes are {detected}")


def stale() -> Stale:
    """What a caller is told whose condition names another version."""
    return Stale("the file has changed since: read it again")


def _ended() -> WrongState:
    return WrongState("this upload showed no sign of life for too long and was ended: send it again")
