"""Objects as files under one folder: a bucket is a folder, a key is the path in it.

Everything that touches the disk is blocking code, run by an injected ``aside``: a plain call where the caller may
block, a thread where an event loop must go on. This module says in which steps; the others know how.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from kist.errors import Misconfigured
from kist.model.content import (
    Condition,
    FormLimits,
    Listed,
    Opened,
    OpenParts,
    PartRef,
    PutRules,
    SignedForm,
    SignedRequest,
    Span,
    Stored,
    StoredBucket,
)
from kist.model.grant import Grant
from kist.model.place import Place
from kist.ports.system import Clock, Ids
from kist.ports.wiring import Aside, Wiring
from kist.stores.disk import buckets, drafts, erasing, parts, reader, walk
from kist.stores.disk.facts import nanoseconds, stored
from kist.stores.disk.incoming import Incoming
from kist.stores.disk.multipart import Multipart
from kist.stores.disk.signing import Signing


def connect(wiring: Wiring) -> DiskStore:
    """The store in the folder that a URL like ``disk:/path`` names. ``Misconfigured`` when it names none."""
    path = wiring.url.removeprefix("disk:").removeprefix("//")
    if not wiring.url.startswith("disk:") or not path:
        raise Misconfigured("KIST_STORE: write disk:/path, with the folder that is to hold the objects")
    signing = Signing(wiring.token_secret, wiring.public_url, wiring.clock)
    return DiskStore(Path(path), wiring.aside, wiring.clock, wiring.ids, signing)


class DiskStore:
    """An ``ObjectStore`` that also holds buckets, copies, seals, takes parts, and answers what it has signed.

    No media type is kept beside the bytes. Without ``signing`` it signs nothing: ``Misconfigured``.
    """

    def __init__(self, root: Path, aside: Aside, clock: Clock, ids: Ids, signing: Signing | None = None) -> None:
        self._root = root
        self._aside = aside
        self._clock = clock
        self._ids = ids
        self._signing = signing or Signing(b"", "", clock)
        self._multipart = Multipart(root, aside, clock, ids)

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        incoming = self._incoming(place, only_new=rules.only_new)
        try:
            await incoming.receive(body, rules.size)
            return await incoming.finish(nanoseconds(self._clock.now()))
        except BaseException as error:
            await incoming.give_up(error)
            raise

    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        opened, first = await self._aside(reader.open_span, self._root, place, span, only_if)
        return Opened(stored(place, opened.status), span, self._blocks(opened, first), self._closer(opened))

    async def head(self, place: Place) -> Stored:
        found = await self._aside(reader.head, self._root, place)
        if found is None:
            raise reader.missing(place)
        return found

    async def heads(self, *places: Place) -> tuple[Stored | None, ...]:
        return await self._aside(reader.heads, self._root, places)

    async def erase(self, *places: Place) -> None:
        await self._aside(erasing.erase, self._root, places)

    async def clear(self, place: Place) -> None:
        await self._aside(drafts.clear, self._root, place)
        await self._aside(parts.clear, self._root, place)

    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        listing = walk.Walk(self._root, bucket, prefix, after)
        while page := await self._aside(listing.page):
            for entry in page:
                yield entry

    async def close(self) -> None:
        """Nothing is held open between calls; threads belong to whoever gave ``aside``."""

    async def buckets(self) -> tuple[StoredBucket, ...]:
        return await self._aside(buckets.buckets, self._root)

    async def make_bucket(self, name: str) -> None:
        await self._aside(buckets.make_bucket, self._root, name)

    async def drop_bucket(self, name: str) -> None:
        await self._aside(buckets.drop_bucket, self._root, name)

    async def copy(self, source: Place, target: Place, rules: PutRules) -> Stored:
        opened = await self._aside(reader.open_object, self._root, source)
        incoming = self._incoming(target)
        try:
            await incoming.take(opened)
            return await incoming.finish(nanoseconds(self._clock.now()))
        except BaseException as error:
            await incoming.give_up(error)
            raise
        finally:
            opened.close()

    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        draft = drafts.Draft(self._root, target, self._ids.token())
        try:
            linked = await self._aside(draft.link, source)
        except BaseException:
            draft.refuse()  # a caller who was cancelled: what another thread is doing for it comes to nothing
            raise
        return linked or await self.copy(source, target, rules)

    async def start_parts(self, place: Place, rules: PutRules) -> str:
        return await self._multipart.start_parts(place, rules)

    async def put_part(self, place: Place, parts_id: str, number: int, body: bytes) -> PartRef:
        return await self._multipart.put_part(place, parts_id, number, body)

    def parts(self, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
        return self._multipart.parts(place, parts_id)

    async def finish_parts(self, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
        return await self._multipart.finish_parts(place, parts_id, parts)

    async def drop_parts(self, place: Place, parts_id: str) -> None:
        await self._multipart.drop_parts(place, parts_id)

    def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        return self._multipart.open_parts(bucket, prefix)

    async def receive_part(
        self, place: Place, parts_id: str, number: int, body: AsyncIterable[bytes], size: int
    ) -> PartRef:
        return await self._multipart.receive_part(place, parts_id, number, body, size)

    def sign(
        self,
        method: str,
        place: Place,
        expires: timedelta,
        *,
        headers: Sequence[tuple[str, str]] = (),
        query: Sequence[tuple[str, str]] = (),
        since: datetime | None = None,
    ) -> SignedRequest:
        return self._signing.request(method, place, expires, headers=headers, query=query, since=since)

    def sign_form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        return self._signing.form(place, expires, limits)

    def verify(self, token: str) -> Grant:
        return self._signing.verify(token)

    def _incoming(self, place: Place, *, only_new: bool = False) -> Incoming[Stored]:
        return Incoming(drafts.Draft(self._root, place, self._ids.token(), only_new=only_new), self._aside)

    async def _blocks(self, opened: reader.Reader, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        while opened.start < opened.stop:
            yield await self._aside(opened.next)

    def _closer(self, opened: reader.Reader) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            if opened.fd >= 0:
                await self._aside(opened.close)

        return close
