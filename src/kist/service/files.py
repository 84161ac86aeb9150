"""Find, list, rename and remove files."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kist.errors import BucketMissing, Clash, FileMissing
from kist.model.actor import Action, Actor
from kist.model.changes import Swap
from kist.model.file import File, FileState
from kist.model.metadata import check_metadata
from kist.model.names import clean_name
from kist.model.query import FileQuery, Page
from kist.service.accounts import freed
from kist.service.audits import audited
from kist.service.gate import check_signed_in
from kist.service.outbox import doomed_after_reads
from kist.service.ports import Ports

TRIES = 100
"""How often a change is decided again after losing a race; each loss is another caller's success."""


class Files:
    """What may be done to files that are there."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def get(self, actor: Actor, file_id: str, action: Action = Action.READ) -> File:
        """The ready file with this id, if ``actor`` may do ``action`` to it.

        ``FileMissing`` when there is none, and just the same when the actor may not know of it. ``NotSignedIn`` for
        an anonymous actor.
        """
        check_signed_in(actor)
        file = await self._ports.catalogue.file(file_id)
        if file.state is not FileState.READY or not self._ports.gate.allows(actor, action, file):
            raise FileMissing("there is no such file")
        return file

    async def page(self, actor: Actor, query: FileQuery) -> Page[File]:
        """A page of the ready files that ``actor`` may see, narrowed and ordered as ``query`` says.

        Its ``visible_to`` is decided here, whatever it says.
        """
        check_signed_in(actor)
        mine: FileQuery = msgspec.structs.replace(query, visible_to=None if actor.is_admin else actor.id)
        return await self._ports.catalogue.files(mine)

    async def change(
        self, actor: Actor, file_id: str, *, name: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> File:
        """Give a file another name, other metadata, or both; None leaves it as it is. Returns the file as it is then.

        ``BadName``, ``Invalid`` and ``FileMissing``.
        """
        wanted: dict[str, object] = {}
        if name is not None:
            wanted["name"] = clean_name(name)
        if metadata is not None:
            wanted["metadata"] = check_metadata(metadata)
        for _ in range(TRIES):
            before = await self.get(actor, file_id, Action.WRITE)
            if not wanted:
                return before
            after: File = msgspec.structs.replace(before, **wanted, updated_at=self._ports.clock.now())
            try:
                await self._ports.catalogue.commit(
                    Swap(before, after), *audited(self._ports, actor, Action.WRITE, before)
                )
            except Clash:
                continue
            return after
        raise Clash("too many others are changing this file: try again")

    async def remove(self, actor: Actor, file_id: str) -> None:
        """Remove a file: it is gone for everybody at once, its bytes follow when no read can still be open."""
        for _ in range(TRIES):
            before = await self.get(actor, file_id, Action.REMOVE)
            after: File = msgspec.structs.replace(before, state=FileState.REMOVED, updated_at=self._ports.clock.now())
            try:
                await self._ports.catalogue.commit(
                    Swap(before, after),
                    doomed_after_reads(self._ports, before),
                    *freed(before),
                    *audited(self._ports, actor, Action.REMOVE, before),
                )
            except Clash:
                continue
            return
        raise Clash("too many others are changing this file: try again")


def check_bucket_known(ports: Ports, bucket: str | None) -> str:
    """The bucket that a request means. ``BucketMissing`` for one that this Kist does not hold files in."""
    if bucket is None or bucket == ports.bucket:
        return ports.bucket
    raise BucketMissing("there is no such bucket")
