"""The way in and out for holders of signed requests, where the store leaves it to Kist to answer them.

Whoever comes here has no account: the grant, which was signed when somebody was asked, says all that may be done.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from hashlib import md5 as new_md5

from kist.errors import BadChecksum, Expired, Missing, NotAllowed
from kist.model.content import Condition, Opened, PartRef, PutRules, Span, Stored
from kist.model.grant import Grant
from kist.model.place import PARTS, STAGING
from kist.ports.store import Receives
from kist.service.ports import Ports


class Door:
    """Carries out what was granted, and nothing that comes to its end after the grant."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def verify(self, token: str) -> Grant:
        """What ``token`` allows: ``NotAllowed`` unless it is ours, ``Expired``.

        ``Missing`` where the store's signed requests lead elsewhere, or nothing is signed at all.
        """
        return self._receiving().verify(token)

    async def put(
        self, grant: Grant, body: AsyncIterable[bytes], *, size: int | None = None, md5: str | None = None
    ) -> Stored:
        """Store ``body`` at the place of ``grant``, whole or not at all.

        ``Expired`` when the upload has ended, or the time is over before the body is, ``BadChecksum`` when it has not
        the ``md5`` (lower-case hex) that was declared, ``Incomplete`` when not ``size`` bytes come. What the body
        raises passes through.
        """
        self._receiving()
        await self._check_awaited(grant)
        rules = PutRules(type=grant.header("content-type") or PutRules().type, size=size)
        async with aclosing(self._arriving(grant, body, md5)) as arriving:
            return await self._ports.store.put(grant.place, arriving, rules)

    async def put_part(self, grant: Grant, body: AsyncIterable[bytes], *, size: int, md5: str | None = None) -> PartRef:
        """Store ``body`` as the part that ``grant`` names; as ``put``. ``UploadMissing`` when its upload has ended."""
        number, parts_id = grant.asked("partNumber") or "", grant.asked("uploadId") or ""
        if not (number.isascii() and number.isdigit() and len(number) <= 5):
            raise NotAllowed("no part of a multipart upload was signed")
        await self._check_awaited(grant)
        async with aclosing(self._arriving(grant, body, md5)) as arriving:
            return await self._receiving().receive_part(grant.place, parts_id, int(number), arriving, size)

    async def head(self, grant: Grant) -> Stored:
        """What is known of the object that ``grant`` lets be read. ``ObjectMissing``."""
        return await self._ports.store.head(grant.place)

    async def open(self, grant: Grant, stored: Stored, span: Span | None = None) -> Opened:
        """Open the object, or the ``span`` of it, if it is still ``stored``, else ``Stale``. The caller closes it."""
        return await self._ports.store.open(grant.place, span, Condition(stored.etag))

    def _receiving(self) -> Receives:
        store = self._ports.store
        if not isinstance(store, Receives):
            raise Missing("there is nothing at this address: signed requests lead to the store itself")
        return store

    async def _check_awaited(self, grant: Grant) -> None:
        """``Expired`` where tickets bring bytes and no upload waits for these any more.

        Without this, whoever begins and aborts uploads could fill the disk by the tickets, and no quota would know.
        """
        place = grant.place
        if place.key.startswith((STAGING, PARTS)) and not await self._ports.catalogue.awaits(place.bucket, place.key):
            raise Expired("the upload that this was signed for has ended")

    async def _arriving(self, grant: Grant, body: AsyncIterable[bytes], md5: str | None) -> AsyncGenerator[bytes, None]:
        """``body``, and behind its last byte the questions that only then have an answer."""
        digest = new_md5(usedforsecurity=False)
        async for block in body:
            self._check_time(grant)
            if md5 is not None:
                digest.update(block)
            yield block
        self._check_time(grant)
        if md5 is not None and digest.hexdigest() != md5:
            raise BadChecksum("the bytes that came do not have the MD5 that was declared")

    def _check_time(self, grant: Grant) -> None:
        if self._ports.clock.now() >= grant.expires_at:
            raise Expired("Request has expired")
