"""Uploads through the server. The way of one upload:

begin     gate, limits and rows, in one commit before a byte moves         Uploads.receiving, Uploads.replacing
accept    bytes to a new place, counted, hashed, looked at on the way      Incoming.accept
complete  the file becomes ready, or gets its new content, in one commit   Incoming.complete
or end    rows and reservation go, the place is doomed                     ending.abort, ending.end

A proxied upload brings its bytes straight to a place that nobody else can write, so nothing is copied to seal it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from kist.errors import Clash
from kist.model.actor import Action, Actor
from kist.model.address import Address
from kist.model.changes import Add, Change, lost
from kist.model.file import File
from kist.model.place import OBJECTS
from kist.model.rows import Idempotency
from kist.model.upload import Declared, Intent, Repeat, Upload
from kist.service.accounts import over, reserved
from kist.service.ending import abort
from kist.service.files import Files
from kist.service.gate import check_signed_in
from kist.service.incoming import Incoming, Precondition, Task, stale
from kist.service.ports import Ports
from kist.service.repeats import Repeats, in_progress
from kist.service.rules import new_file, new_upload


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
        declared: Declared,
        body: AsyncIterable[bytes],
        *,
        only_if: Precondition | None = None,
    ) -> File:
        """Replace the content of a file; readers see the old bytes or the new, never a mixture."""
        async with self.replacing(actor, file_id, declared, only_if=only_if) as incoming:
            await incoming.accept(body)
            return await incoming.complete()

    async def earlier(self, actor: Actor, repeat: Repeat | None) -> File | None:
        """The answer to an earlier request with the same idempotency key, None when this is the first.

        ``Invalid`` when the key was used for another request, ``InProgress`` while the first is being carried out.
        """
        return await self._repeats.earlier(actor, repeat)

    @asynccontextmanager
    async def receiving(self, actor: Actor, intent: Intent, *, at: Address | None = None) -> AsyncIterator[Incoming]:
        """A new file on its way in. Rows are there before the block runs; leaving it unfinished takes them away.

        ``NotSignedIn``, ``BadName``, ``TooLarge`` (by the declared size), ``BucketMissing``, ``InProgress``,
        ``WrongType``, ``TooMany``, ``OverQuota``. ``at``: the address where a contract puts it.
        """
        check_signed_in(actor)
        file = await new_file(self._ports, actor, intent, OBJECTS + self._ports.ids.token(), at)
        upload = self._upload(actor, intent, file, file.key)
        record = self._repeats.record(actor, intent.repeat)
        if record is not None:
            upload = msgspec.structs.replace(upload, repeat_key=record.key)
        changes: list[Change] = [Add(file), Add(upload), *reserved(upload, self._ports.limits)]
        if record is not None:
            changes.append(Add(record))
        await self._commit(changes)
        async with self._under_way(Task(actor, upload, file, record=record)) as incoming:
            yield incoming

    @asynccontextmanager
    async def replacing(
        self, actor: Actor, file_id: str, declared: Declared, *, only_if: Precondition | None = None
    ) -> AsyncIterator[Incoming]:
        """New content on its way in for a file that is there. ``Stale`` when ``only_if`` says no. The name stays."""
        file = await self._files.get(actor, file_id, Action.WRITE)
        if only_if is not None and not only_if(file):
            raise stale()
        upload = self._upload(actor, declared, file, OBJECTS + self._ports.ids.token())
        await self._commit([Add(upload), *reserved(upload, self._ports.limits)])
        async with self._under_way(Task(actor, upload, file, only_if)) as incoming:
            yield incoming

    def _upload(self, actor: Actor, declared: Declared, file: File, key: str) -> Upload:
        return new_upload(self._ports, actor, declared, file, key=key, limit=self._ports.limits.max_upload_size)

    async def _commit(self, changes: list[Change]) -> None:
        """Commit the rows of an upload that begins."""
        try:
            await self._ports.catalogue.commit(*changes)
        except Clash as clash:
            match lost(changes, clash):
                case Add(Idempotency()):
                    raise in_progress() from clash
                case change:
                    raise over(change, clash) from clash

    @asynccontextmanager
    async def _under_way(self, task: Task) -> AsyncIterator[Incoming]:
        """Whatever happens inside, no upload is left open behind it that could still be ended."""
        incoming = Incoming(self._ports, self._files, task)
        try:
            yield incoming
        finally:
            if incoming.result is None:
                await abort(self._ports, incoming.upload)
