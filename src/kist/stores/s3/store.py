"""The S3 store: every ability of the store ports, each carried out by the file of its group."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime, timedelta

from kist.model.content import (
    Condition,
    CorsRule,
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
from kist.model.place import Place
from kist.stores.s3 import buckets, copying, cors, equipping, listing, multipart, objects, putting, reading
from kist.stores.s3.copying import CopyLimits
from kist.stores.s3.presigning import Presigner
from kist.stores.s3.probe import Prober
from kist.stores.s3.sender import Sender


class S3Store:
    """An object store on any S3 server. Whether it waits in an event loop or blocks is its transport's affair."""

    def __init__(
        self, sender: Sender, presigner: Presigner, prober: Prober, *, copy_limits: CopyLimits | None = None
    ) -> None:
        self._sender = sender
        self._presigner = presigner
        self._prober = prober
        self._copy_limits = copy_limits or CopyLimits()

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        """``modified`` is this machine's time when one request sufficed: S3 does not tell its own then."""
        return await putting.put_object(self._sender, place, body, rules)

    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        return await reading.open_object(self._sender, place, span, only_if)

    async def head(self, place: Place) -> Stored:
        return await reading.head_object(self._sender, place)

    async def heads(self, *places: Place) -> tuple[Stored | None, ...]:
        return tuple([await reading.find_object(self._sender, place) for place in places])

    async def erase(self, *places: Place) -> None:
        await objects.erase_objects(self._sender, places)

    async def clear(self, place: Place) -> None:
        await objects.clear_place(self._sender, place)

    def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        return listing.list_objects(self._sender, bucket, prefix, after)

    async def close(self) -> None:
        await self._sender.close()

    async def buckets(self) -> tuple[StoredBucket, ...]:
        return await buckets.list_buckets(self._sender)

    async def make_bucket(self, name: str) -> None:
        await buckets.make_bucket(self._sender, name)

    async def drop_bucket(self, name: str) -> None:
        await buckets.drop_bucket(self._sender, name)

    async def copy(self, source: Place, target: Place, rules: PutRules) -> Stored:
        return await copying.copy_object(self._sender, source, target, rules, self._copy_limits)

    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        return await self.copy(source, target, rules)

    async def start_parts(self, place: Place, rules: PutRules) -> str:
        return await multipart.start_parts(self._sender, place, rules)

    async def put_part(self, place: Place, parts_id: str, number: int, body: bytes) -> PartRef:
        return await multipart.put_part(self._sender, place, parts_id, number, body)

    def parts(self, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
        return multipart.list_parts(self._sender, place, parts_id)

    async def finish_parts(self, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
        return await multipart.finish_parts(self._sender, place, parts_id, parts)

    async def drop_parts(self, place: Place, parts_id: str) -> None:
        await multipart.drop_parts(self._sender, place, parts_id)

    def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        return multipart.open_parts(self._sender, bucket, prefix)

    async def cors(self, bucket: str) -> tuple[CorsRule, ...]:
        return await cors.get_cors(self._sender, bucket)

    async def set_cors(self, bucket: str, rules: Sequence[CorsRule]) -> None:
        await cors.set_cors(self._sender, bucket, rules)

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
        return self._presigner.request(method, place, expires, headers=headers, query=query, since=since)

    def sign_form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        return self._presigner.form(place, expires, limits)

    def profile_id(self, bucket: str) -> str:
        return self._prober.profile_id(bucket)

    async def equip(self, bucket: str, like: str) -> None:
        await equipping.equip(self._sender, bucket, like)

    async def probe(self, bucket: str, origins: Sequence[str]) -> dict[str, str]:
        return await self._prober.probe(bucket, origins)
