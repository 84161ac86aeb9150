"""Files by address, for contracts that know no ids: put there, by a plain link or through Kist, and found again.

Under ``<owner>/`` an address is that owner's, whoever puts bytes there; an admin then acts for them. One address has
one file: new bytes are its new content, so that it keeps its id, its shares and its links.
"""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec

from kist.errors import (
    Expired,
    FileMissing,
    Incomplete,
    InProgress,
    NotAllowed,
    UploadRefused,
    WrongState,
)
from kist.model.actor import Action, Actor, Role
from kist.model.address import Address
from kist.model.file import File
from kist.model.media import UNKNOWN
from kist.model.ticket import Ticket
from kist.model.upload import Declared, Intent, Upload, UploadState, Way
from kist.service.access import may
from kist.service.gate import check_signed_in
from kist.service.ports import Ports
from kist.service.sealing import Sealer
from kist.service.tickets import Tickets, Wish
from kist.service.uploads import Uploads

_TYPES = mimetypes.MimeTypes()


class Addressed:
    """Put and find files by address. The buckets are those that contracts keep for themselves."""

    def __init__(self, ports: Ports, uploads: Uploads, tickets: Tickets, sealer: Sealer) -> None:
        self._ports = ports
        self._uploads = uploads
        self._tickets = tickets
        self._sealer = sealer

    async def link(self, actor: Actor, bucket: str, address: str, life: timedelta) -> str:
        """A signed address for a PUT without any header, whose bytes become the file at ``address``.

        Nobody has to say that they have come. While they have not, asking again signs the same staging place. What
        came by an earlier link is kept first. ``NotAllowed`` for another user's address, ``UnsafeWay`` where the
        store was not seen to hold such links, and what ``Tickets.begin`` raises.
        """
        at = Address(bucket, address)
        owner = _owner(actor, at)
        upload = await self._ports.catalogue.upload_at(bucket, address)
        if upload is not None and not await self._settled(upload) and _is_link(upload):
            return _url_of(await self._tickets.prolong(upload, life))
        holder = await self._holder(at)
        wish = Wish(way=Way.PUT, settles=True, plain=True, life=life)
        if holder is not None:
            declared = Declared(type=_type_of(at))
            return _url_of(await self._tickets.replace(owner, holder.id, declared, wish))
        intent = Intent(name=at.name, type=_type_of(at))
        return _url_of(await self._tickets.begin(owner, intent, wish, at=at))

    async def receive(
        self, actor: Actor, bucket: str, address: str, declared: Declared, body: AsyncIterable[bytes]
    ) -> File:
        """Bytes through Kist, for the file at ``address``. What came by a link before is kept first, then replaced."""
        at = Address(bucket, address)
        owner = _owner(actor, at)
        upload = await self._ports.catalogue.upload_at(bucket, address)
        if upload is not None:
            await self._settled(upload)
        if declared.type == UNKNOWN:
            declared = msgspec.structs.replace(declared, type=_type_of(at))
        holder = await self._holder(at)
        if holder is not None:
            return await self._uploads.replace(owner, holder.id, declared, body)
        intent = Intent(name=at.name, **msgspec.structs.asdict(declared))
        async with self._uploads.receiving(owner, intent, at=at) as incoming:
            await incoming.accept(body)
            return await incoming.complete()

    async def get(self, actor: Actor, bucket: str, address: str) -> File:
        """The file at ``address``, if ``actor`` may read it. What came by a link is made a file first.

        ``FileMissing``; ``UploadRefused`` for its owner when the last that came there broke a rule, and why.
        """
        check_signed_in(actor)
        at = Address(bucket, address)
        upload = await self._ports.catalogue.upload_at(bucket, address)
        if upload is not None and await self._settled(upload):
            upload = await self._ports.catalogue.upload(upload.id)
        file = await self._holder(at)
        mine = actor.is_admin or actor.id == at.owner
        if mine and upload is not None and upload.state is UploadState.REFUSED:
            code, _, message = (upload.reason or "").partition(": ")
            raise UploadRefused(message, reason=code)
        if file is None or not await may(self._ports, actor, Action.READ, file):
            raise FileMissing("there is no such file")
        return file

    async def find(self, bucket: str, addresses: Sequence[str]) -> dict[str, File]:
        """The files at those of ``addresses`` (at most 1000) where there are any; what came by links is made
        files, or their new content, first. The caller judges who may see them."""
        for upload in await self._ports.catalogue.arriving(bucket, addresses):
            await self._settled(upload)
        return await self._ports.catalogue.addressed(bucket, addresses)

    async def may_read(self, actor: Actor, file: File) -> bool:
        """Whether ``actor`` may read a file that was found."""
        return await may(self._ports, actor, Action.READ, file)

    async def _holder(self, at: Address) -> File | None:
        return (await self._ports.catalogue.addressed(at.bucket, [at.text])).get(at.text)

    async def _settled(self, upload: Upload) -> bool:
        """Complete what has come by a link. Whether that upload is over, one way or the other."""
        if upload.state not in (UploadState.OPEN, UploadState.SEALING):
            return True
        if not upload.settles:
            return False
        with suppress(UploadRefused, Expired, WrongState):
            try:
                await self._sealer.complete(upload)
            except (Incomplete, InProgress):
                return False
        return True


def _owner(actor: Actor, at: Address) -> Actor:
    """Whose the file at this address will be. ``NotAllowed`` when ``actor`` may not put anything there."""
    check_signed_in(actor)
    if actor.id == at.owner:
        return actor
    if not actor.is_admin:
        raise NotAllowed("you are not allowed to do that: the name belongs to somebody else")
    return actor if at.owner is None else Actor(at.owner, Role.USER, via=actor.via or actor.id)


def _is_link(upload: Upload) -> bool:
    return upload.state is UploadState.OPEN and upload.settles and upload.way is Way.PUT


def _url_of(ticket: Ticket) -> str:
    assert ticket.url is not None
    return ticket.url


def _type_of(at: Address) -> str:
    """Nobody declares a type with such a link, so the name has to tell."""
    return _TYPES.guess_type(at.name, strict=True)[0] or UNKNOWN
