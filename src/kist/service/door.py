"""What the signed addresses of a store that answers them itself let anybody do."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator

from kist.errors import BadChecksum, Expired, Incomplete, Missing, TooLarge
from kist.model.content import Opened, PutRules, Span, Stored
from kist.model.grant import Grant
from kist.ports.store import Receives
from kist.service.ports import Ports


class Door:
    """Carries out what was signed, and nothing else. Who holds the address is not asked."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def verify(self, token: str) -> Grant:
        """What ``token`` allows. ``NotAllowed``, ``Expired``; ``Missing`` where the store signs no such thing."""
        store = self._ports.store
        if not isinstance(store, Receives):
            raise Missing("there is nothing at this address")
        return store.verify(token)

    async def put(
        self, grant: Grant, body: AsyncIterable[bytes], *, type: str, size: int | None, md5: str | None
    ) -> str:
        """Store ``body`` where the grant says, and return the ETag. ``md5`` in base64 is what it must have.

        ``TooLarge`` and ``Incomplete`` outside the sizes that were signed, ``BadChecksum``, and ``Expired`` when the
        body ends after the grant does: nothing is stored then.
        """
        store = self._ports.store
        watched = self._watched(grant, body, md5)
        number, parts_id = grant.asked("partNumber"), grant.asked("uploadId")
        if number is None or parts_id is None:
            stored: Stored = await store.put(grant.place, watched, PutRules(type=type, size=size))
            return stored.etag
        assert isinstance(store, Receives)
        if size is None:
            raise Incomplete("a part needs its length")
        part = await store.receive_part(grant.place, parts_id, int(number), watched, size)
        return part.etag

    async def head(self, grant: Grant) -> Stored:
        """What is known of the object. ``ObjectMissing``."""
        return await self._ports.store.head(grant.place)

    async def open(self, grant: Grant, span: Span | None) -> Opened:
        """The object, or a span of it. The caller closes it."""
        return await self._ports.store.open(grant.place, span)

    async def _watched(self, grant: Grant, body: AsyncIterable[bytes], md5: str | None) -> AsyncIterator[bytes]:
        """Pass ``body`` on while it stays within the grant; judge it before its end is known to the store."""
        digest, came = hashlib.md5(usedforsecurity=False), 0
        form = grant.form
        async for block in body:
            came += len(block)
            if form is not None and came > form.max_size:
                raise TooLarge(f"the file is larger than the {form.max_size} bytes allowed here", limit=form.max_size)
            digest.update(block)
            yield block
        if form is not None and came < form.min_size:
            raise Incomplete(f"{came} bytes came, {form.min_size} are due", declared=form.min_size, received=came)
        if md5 is not None and b64encode(digest.digest()).decode() != md5:
            raise BadChecksum("the bytes do not have the MD5 that Content-MD5 says")
        if grant.expires_at <= self._ports.clock.now():
            raise Expired("the time for this upload ended before its last byte came")
