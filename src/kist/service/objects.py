"""Objects that have no row: what lay in a bucket before Kist, and what a sync keeps there under readable keys.

They are reached by bucket and key, by the bucket's owner and by admins. What is Kist's own is never among them. An
admin can make one a file, where it lies.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from kist.errors import AlreadyThere, Clash, NotAllowed, ObjectMissing, Unsupported
from kist.model.actor import Actor
from kist.model.changes import Add
from kist.model.content import Condition, Listed, Opened, Span, Stored
from kist.model.file import File, FileState
from kist.model.place import RESERVED, Place
from kist.model.upload import Intent
from kist.service.accounts import taken_in
from kist.service.arrival import HEAD_SIZE
from kist.service.buckets import check_whole
from kist.service.gate import check_signed_in
from kist.service.ports import Ports
from kist.service.rules import new_file

_BEHIND_RESERVED = RESERVED + "\U0010ffff"
"""Behind every key that Kist makes: there a listing goes on."""


class ObjectPage(msgspec.Struct, frozen=True):
    """Some objects by key and, unless these were the last, the key after which the next page begins."""

    items: tuple[Listed, ...]
    next: str | None = None


class Objects:
    """Look at, read and remove objects by key."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def page(
        self, actor: Actor, bucket: str, *, prefix: str = "", after: str = "", limit: int = 100
    ) -> ObjectPage:
        """The objects of ``bucket`` whose key begins with ``prefix`` and is greater than ``after``, as the store says
        right now. ``BucketMissing``."""
        await self._check(actor, bucket)
        found: list[Listed] = []
        reserved = False
        async for listed in self._ports.store.list(bucket, prefix, after):
            reserved = listed.key.startswith(RESERVED)
            if reserved or len(found) > limit:
                break
            found.append(listed)
        if reserved:
            async for listed in self._ports.store.list(bucket, prefix, _BEHIND_RESERVED):
                if len(found) > limit:
                    break
                found.append(listed)
        items = tuple(found[:limit])
        return ObjectPage(items, items[-1].key if len(found) > limit else None)

    async def head(self, actor: Actor, bucket: str, key: str) -> Stored:
        """What is known of an object. ``BucketMissing``, ``ObjectMissing``, ``BadName``."""
        return await self._ports.store.head(await self._place(actor, bucket, key))

    async def open(
        self, actor: Actor, bucket: str, key: str, span: Span | None = None, *, still: Stored | None = None
    ) -> Opened:
        """Open an object, or the ``span`` of it. Whoever asked closes what is returned. ``BadRange``.

        ``still``: what ``head`` has said of it; ``Stale`` when that is no longer so.
        """
        only_if = None if still is None else Condition(still.etag)
        return await self._ports.store.open(await self._place(actor, bucket, key), span, only_if)

    async def remove(self, actor: Actor, bucket: str, key: str) -> None:
        """Remove an object; one that is absent is fine."""
        await self._ports.store.erase(await self._place(actor, bucket, key))

    async def address(self, actor: Actor, bucket: str, key: str, life: timedelta) -> str:
        """A signed address at which the store gives the object for ``life``, cut to the longest of a link.

        ``ObjectMissing`` when it is not there, ``Unsupported`` on a store that signs nothing.
        """
        place = await self._place(actor, bucket, key)
        if self._ports.signs is None:
            raise Unsupported("this store signs no addresses: read the object through Kist")
        await self._ports.store.head(place)
        return self._ports.signs.sign("GET", place, min(life, self._ports.limits.link_life_max)).url

    async def adopt(self, actor: Actor, bucket: str, key: str, owner: str, intent: Intent, made_at: datetime) -> File:
        """Make an object a file of ``owner``, where it lies: from then on it is kept, read and erased as a file's.

        ``intent`` says the file's id, name, type, visibility and metadata. Quotas are charged, and do not limit it.
        For admins alone: ``NotAllowed``. ``ObjectMissing``; ``AlreadyThere`` when some file has that id or is there.
        """
        place = await self._place(actor, bucket, key)
        if not actor.is_admin:
            raise NotAllowed("only an admin may make objects files")
        stored = await self._ports.store.head(place)
        if await self._ports.catalogue.spoken_for(bucket, [key]):
            raise AlreadyThere("the object at this key is a file already")
        made = await new_file(self._ports, Actor(owner), msgspec.structs.replace(intent, bucket=None), key)
        known = {"bucket": bucket, "size": stored.size, "created_at": made_at, "detected": await self._type_of(stored)}
        file: File = msgspec.structs.replace(made, state=FileState.READY, **known)
        try:
            await self._ports.catalogue.commit(Add(file), *taken_in(file))
        except Clash as clash:
            raise AlreadyThere("there is a file with this id") from clash
        return file

    async def _type_of(self, stored: Stored) -> str | None:
        """What its first bytes show."""
        if stored.size == 0:
            return None
        opened = await self._ports.store.open(stored.place, Span(0, min(stored.size, HEAD_SIZE)))
        try:
            return self._ports.detect(b"".join([block async for block in opened.body]))
        finally:
            await opened.close()

    async def _place(self, actor: Actor, bucket: str, key: str) -> Place:
        await self._check(actor, bucket)
        place = Place(bucket, key)
        if key.startswith(RESERVED):
            raise ObjectMissing("there is no such object")
        return place

    async def _check(self, actor: Actor, bucket: str) -> None:
        check_signed_in(actor)
        await check_whole(self._ports, actor, bucket)
