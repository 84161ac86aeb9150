"""Find, list, rename and remove files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import msgspec

from kist.errors import Clash, FileMissing, Invalid, NotAllowed
from kist.model.actor import Action, Actor
from kist.model.changes import Swap
from kist.model.file import File, FileState, Visibility
from kist.model.metadata import check_metadata
from kist.model.names import clean_name
from kist.model.query import FileQuery, Page
from kist.service.access import permitted
from kist.service.accounts import freed
from kist.service.audits import audited
from kist.service.gate import check_signed_in
from kist.service.outbox import doomed_after_reads
from kist.service.ports import Ports

TRIES = 100
"""How often a change is decided again after losing a race; each loss is another caller's success."""


Settle = Callable[[str], Awaitable[bool]]
"""Completes what may be completed for a file id, and says whether it did."""


class Files:
    """What may be done to files that are there."""

    def __init__(self, ports: Ports, settle: Settle) -> None:
        self._ports = ports
        self._settle = settle

    async def get(self, actor: Actor, file_id: str, action: Action = Action.READ) -> File:
        """The ready file with this id, if ``actor`` may do ``action`` to it.

        ``FileMissing`` when there is none, and just the same when the actor may not know of it; ``NotAllowed`` when
        they may read it, but not do that; ``NotSignedIn`` instead of either for an anonymous actor. A file whose
        upload nobody will complete is completed here, if its bytes have come.
        """
        try:
            return await permitted(self._ports, actor, file_id, action)
        except FileMissing:
            if not await self._settle(file_id):
                raise
            return await permitted(self._ports, actor, file_id, action)

    async def page(self, actor: Actor, query: FileQuery, *, shared: bool = False) -> Page[File]:
        """A page of the ready files that ``actor`` owns (an admin: of all), narrowed and ordered as ``query`` says.

        ``shared``: instead those that others let the actor read by a share. Who asks is decided here, whatever
        ``query`` says of it.
        """
        check_signed_in(actor)
        mine: FileQuery = msgspec.structs.replace(
            query,
            visible_to=None if actor.is_admin else actor.id,
            shared_with=actor.id if shared else None,
            now=self._ports.clock.now() if shared else None,
        )
        return await self._ports.catalogue.files(mine)

    async def named(
        self, actor: Actor, bucket: str, name: str, action: Action = Action.READ, *, owner: str | None = None
    ) -> File:
        """The newest ready file of exactly this name in ``bucket`` that ``actor`` owns (an admin: anybody's; or
        ``owner``'s), else one that others share with them. ``FileMissing``, ``NotAllowed``."""
        query = FileQuery(bucket=bucket, name=name, owner=owner, limit=1)
        found = (await self.page(actor, query)).items or (await self.page(actor, query, shared=True)).items
        if not found:
            raise FileMissing("there is no such file")
        return await self.get(actor, found[0].id, action)

    async def remove_named(self, actor: Actor, bucket: str, name: str, *, owner: str | None = None) -> int:
        """Remove all files of exactly this name in ``bucket`` that ``actor`` owns (an admin: ``owner``'s). How many."""
        query = FileQuery(bucket=bucket, name=name, owner=owner or actor.id)
        removed = 0
        while found := (await self.page(actor, query)).items:
            for file in found:
                with suppress(FileMissing):  # another call was quicker
                    await self.remove(actor, file.id)
                    removed += 1
        return removed

    async def change(
        self,
        actor: Actor,
        file_id: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        visibility: Visibility | None = None,
    ) -> File:
        """Give a file another name, other metadata or visibility; None leaves it as it is. Returns it as it is then.

        The visibility is the owner's and an admin's to choose. ``BadName``, ``Invalid``, ``NotAllowed`` and
        ``FileMissing``.
        """
        wanted: dict[str, object] = {}
        if visibility is not None:
            wanted["visibility"] = check_visibility(self._ports, visibility)
        if name is not None:
            wanted["name"] = clean_name(name)
        if metadata is not None:
            wanted["metadata"] = check_metadata(metadata)
        for _ in range(TRIES):
            before = await self.get(actor, file_id, Action.WRITE)
            if not wanted:
                return before
            if visibility is not None and not actor.is_admin and actor.id != before.owner:
                raise NotAllowed("only the owner of a file may change its visibility")
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
                    *freed(before, self._ports.limits),
                    *audited(self._ports, actor, Action.REMOVE, before),
                )
            except Clash:
                continue
            return
        raise Clash("too many others are changing this file: try again")


def check_visibility(ports: Ports, visibility: Visibility) -> Visibility:
    """``visibility``, if the operator lets users choose it; else ``Invalid``."""
    allowed = ports.limits.visibilities
    if visibility not in allowed:
        raise Invalid(f"the visibility {visibility.value} is not used here: choose {', '.join(allowed)}")
    return visibility
