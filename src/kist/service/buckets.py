"""Buckets that users own: made, listed, removed when empty.

A bucket is in two places, the catalogue and the store, which cannot be changed together. So the row is written first
and says what is under way (``making``, ``removing``); whoever asks again for the same goes on where it broke off.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from kist.errors import (
    AlreadyThere,
    BucketMissing,
    BucketNotEmpty,
    Clash,
    KistError,
    NotAllowed,
    Unavailable,
    Unsupported,
)
from kist.model.actor import Action, Actor
from kist.model.bucket import Bucket, BucketState
from kist.model.changes import Add, Drop, Swap
from kist.model.ends import BucketEnd, read_end
from kist.model.place import check_bucket
from kist.model.rows import AuditEntry
from kist.ports.store import HoldsBuckets
from kist.service.gate import check_signed_in
from kist.service.ports import Ports
from kist.service.upkeep import Upkeep
from kist.service.ways import Ways

log = logging.getLogger("kist")


class Buckets:
    """Make, list and remove buckets."""

    def __init__(self, ports: Ports, ways: Ways, upkeep: Upkeep) -> None:
        self._ports = ports
        self._ways = ways
        self._upkeep = upkeep

    async def create(self, actor: Actor, name: str) -> Bucket:
        """A new bucket of ``actor``'s; asking again after success gets ``AlreadyThere``.

        ``NotSignedIn``, ``NotAllowed`` where only admins may, ``BadName``, ``Unsupported`` on a store without buckets.
        """
        check_signed_in(actor)
        if self._ports.limits.buckets_by_admins and not actor.is_admin:
            raise NotAllowed("only an admin may make buckets here")
        check_bucket(name)
        return await self._make(self._new(name, actor.id), adopt=False)

    async def list(self, actor: Actor) -> tuple[Bucket, ...]:
        """The buckets of ``actor``, by name. An admin sees all: also the base bucket, those that dialects keep, and
        those that the store holds and nobody made here, which have no owner."""
        check_signed_in(actor)
        if not actor.is_admin:
            mine = await self._ports.catalogue.buckets(actor.id)
            return tuple(bucket for bucket in mine if bucket.dialect is None and bucket.state is BucketState.READY)
        found = {bucket.name: bucket for bucket in await self._ports.catalogue.buckets()}
        for held in await self._holding().buckets():
            found.setdefault(held.name, Bucket(name=held.name, owner="", created_at=held.created))
        base = self._ports.bucket
        found.setdefault(base, Bucket(name=base, owner="", created_at=datetime.fromtimestamp(0, UTC)))
        return tuple(found[name] for name in sorted(found))

    async def remove(self, actor: Actor, name: str, *, by: str = "") -> None:
        """Remove a bucket of one's own (an admin: anybody's) that holds nothing.

        ``BucketMissing`` for one that was not made here, or is another's; ``BucketNotEmpty`` while there is a file,
        an upload, an object, or a multipart upload in it, or a sync from or to it has not ended, but for the job ``by``
        which it is removed. Bytes of removed files go at once, not after a while.
        """
        check_signed_in(actor)
        bucket = await self._mine(actor, name)
        await self._check_no_sync(name, by)
        if bucket.state is not BucketState.REMOVING:
            bucket = await self._swap(bucket, BucketState.REMOVING)
        try:
            await self._check_no_sync(name, by)  # again: one that begins from here on sees that the bucket goes
            await self._empty(name)
            with suppress(BucketMissing):  # dropped by a call that was cut off
                await self._holding().drop_bucket(name)
        except BaseException:
            with suppress(KistError):
                await self._swap(bucket, BucketState.READY)
            raise
        await self._forget(bucket, *self._audited(actor, Action.REMOVE, bucket))

    async def check_unused(self, actor: Actor, name: str) -> None:
        """Raise unless this bucket could be removed once its readable objects are gone.

        ``BucketMissing`` for one that was not made here, or is another's; ``BucketNotEmpty`` while it holds files of
        Kist, or uploads are under way to it.
        """
        await self._mine(actor, name)
        if await self._ports.catalogue.bucket_used(name):
            raise BucketNotEmpty("the bucket holds files, or uploads are under way: remove these first")
        if self._ports.takes_parts is not None:
            async for _ in self._ports.takes_parts.open_parts(name):
                raise BucketNotEmpty("uploads in parts are under way to this bucket: end these first")

    async def check_readable(self, actor: Actor, name: str) -> None:
        """``BucketMissing`` unless ``actor`` may look for files there: in a bucket of their own, or in the base bucket.

        An admin may in all that the store holds.
        """
        await bucket_to_fill(self._ports, actor, name)

    async def own(self, name: str, dialect: str) -> str:
        """The bucket ``name`` that ``dialect`` keeps for itself: made on first use, taken over where the store has it.

        ``NotAllowed`` when it is somebody's, or kept by another contract.
        """
        try:
            bucket = await self._ports.catalogue.bucket(name)
        except BucketMissing:
            bucket = await self._made_for(dialect, name)
        if bucket.dialect != dialect:
            raise NotAllowed(f"the bucket {name} belongs to somebody: let an admin remove it, or name another instance")
        if bucket.state is not BucketState.READY:
            await self._make(bucket, adopt=True)
        return name

    async def _made_for(self, dialect: str, name: str) -> Bucket:
        try:
            return await self._make(msgspec.structs.replace(self._new(name, ""), dialect=dialect), adopt=True)
        except AlreadyThere:
            return await self._ports.catalogue.bucket(name)  # another call was quicker

    async def _make(self, bucket: Bucket, *, adopt: bool) -> Bucket:
        """Make the row and then the bucket. ``adopt``: one that the store holds already is as good."""
        holding = self._holding()
        if bucket.name == self._ports.bucket:
            raise AlreadyThere(f"the bucket {bucket.name} exists already")
        known = await self._begin(bucket)
        again = known is not None
        try:
            await holding.make_bucket(bucket.name)
        except AlreadyThere:
            if not adopt and not (again and await self._is_bare(bucket.name)):
                await self._give_up(known or bucket)
                raise
        except Unavailable:
            raise  # it may have been made: who asks again goes on
        except KistError:
            await self._give_up(known or bucket)
            raise
        await self._equip(bucket.name)
        return await self._swap(known or bucket, BucketState.READY)

    async def _begin(self, bucket: Bucket) -> Bucket | None:
        """Write the row down; the one that is there already where the same was asked for and broke off."""
        try:
            await self._ports.catalogue.commit(Add(bucket))
        except Clash as clash:
            known = await self._ports.catalogue.bucket(bucket.name)
            same = (known.owner, known.dialect) == (bucket.owner, bucket.dialect)
            if not same or known.state is not BucketState.MAKING:
                raise AlreadyThere(f"the bucket {bucket.name} exists already") from clash
            return known
        return None

    async def _give_up(self, bucket: Bucket) -> None:
        with suppress(KistError):
            await self._ports.catalogue.commit(Drop(bucket))

    async def _equip(self, name: str) -> None:
        """Let browsers send bytes there as they may to the base bucket. What fails keeps direct uploads shut."""
        if self._ports.probes is None:
            return
        try:
            await self._ports.probes.equip(name, self._ports.bucket)
            await self._ways.probe(name)
        except KistError as error:
            log.warning("the bucket %s takes no direct uploads yet: %s", name, error.message)

    async def _empty(self, name: str) -> None:
        """Erase what is doomed, and see that nothing else is there. ``BucketNotEmpty``."""
        if await self._ports.catalogue.bucket_used(name):
            raise BucketNotEmpty("the bucket holds files, or uploads are under way: remove these first")
        await self._upkeep.erase_in(name)
        if not await self._is_bare(name):
            raise BucketNotEmpty("the bucket holds objects that are no files of Kist: remove these first")

    async def _check_no_sync(self, name: str, by: str) -> None:
        for job in await self._ports.catalogue.unended_jobs():
            ends = read_end(job.source), read_end(job.dest)
            if job.id != by and any(isinstance(end, BucketEnd) and end.bucket == name for end in ends):
                raise BucketNotEmpty("a sync from or to this bucket has not ended: wait for its end, or cancel it")

    async def _forget(self, bucket: Bucket, *more: Add) -> None:
        """Drop the row of a bucket that is gone, in whatever state another call for the same has left it."""
        try:
            await self._ports.catalogue.commit(Drop(bucket), *more)
        except Clash:
            with suppress(BucketMissing, Clash):
                await self._ports.catalogue.commit(Drop(await self._ports.catalogue.bucket(bucket.name)))

    async def _is_bare(self, name: str) -> bool:
        """Whether the store has nothing in this bucket: no object, and no multipart upload under way."""
        try:
            async for _ in self._ports.store.list(name):
                return False
            parts = self._ports.takes_parts
            if parts is not None:
                async for _ in parts.open_parts(name):
                    return False
        except BucketMissing:
            return True
        return True

    async def _mine(self, actor: Actor, name: str) -> Bucket:
        bucket = await self._ports.catalogue.bucket(name)
        if not actor.is_admin and (bucket.owner != actor.id or bucket.dialect is not None):
            raise BucketMissing("there is no such bucket")
        return bucket

    async def _swap(self, bucket: Bucket, state: BucketState) -> Bucket:
        after: Bucket = msgspec.structs.replace(bucket, state=state)
        await self._ports.catalogue.commit(Swap(bucket, after))
        return after

    def _new(self, name: str, owner: str) -> Bucket:
        return Bucket(name=name, owner=owner, created_at=self._ports.clock.now(), state=BucketState.MAKING)

    def _holding(self) -> HoldsBuckets:
        if self._ports.holds_buckets is None:
            raise Unsupported("this store has no buckets of its own")
        return self._ports.holds_buckets

    def _audited(self, actor: Actor, action: Action, bucket: Bucket) -> tuple[Add, ...]:
        """An entry for what an admin does to somebody else's bucket."""
        if not actor.is_admin or actor.id == bucket.owner:
            return ()
        entry = AuditEntry(
            id=self._ports.ids.uuid(),
            at=self._ports.clock.now(),
            actor=actor.id,
            via=actor.via,
            action=action.value,
            thing=f"bucket:{bucket.name}",
            owner=bucket.owner,
        )
        return (Add(entry),)


async def bucket_to_fill(ports: Ports, actor: Actor, name: str | None) -> str:
    """The bucket that a request to write means: the base bucket, where all may, or one that ``actor`` may use.

    ``BucketMissing`` for every other.
    """
    if name is None or name == ports.bucket:
        return ports.bucket
    await check_usable(ports, actor, name)
    return name


async def check_usable(ports: Ports, actor: Actor, name: str) -> None:
    """``BucketMissing`` unless ``actor`` owns this bucket. An admin may use all that the store holds."""
    try:
        bucket = await ports.catalogue.bucket(name)
    except BucketMissing:
        if not actor.is_admin or name not in await _held(ports):
            raise
        return
    mine = bucket.owner == actor.id and bucket.dialect is None
    if bucket.state is not BucketState.READY or not (actor.is_admin or mine):
        raise BucketMissing("there is no such bucket")


async def check_whole(ports: Ports, actor: Actor, name: str) -> None:
    """``BucketMissing`` unless ``actor`` may use all keys of this bucket; those of the base bucket are for admins."""
    if name != ports.bucket:
        await check_usable(ports, actor, name)
    elif not actor.is_admin:
        raise BucketMissing("there is no such bucket")


async def _held(ports: Ports) -> set[str]:
    if ports.holds_buckets is None:
        return {ports.bucket}
    return {bucket.name for bucket in await ports.holds_buckets.buckets()}
