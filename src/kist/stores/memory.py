"""Objects in this process's memory: for tests, trials and examples. All is gone when the process ends."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kist.errors import (
    AlreadyThere,
    BucketMissing,
    BucketNotEmpty,
    Incomplete,
    ObjectMissing,
    Stale,
    UploadMissing,
)
from kist.model.content import (
    Condition,
    Listed,
    Opened,
    OpenParts,
    PartRef,
    PutRules,
    Span,
    Stored,
    StoredBucket,
)
from kist.model.place import Place, check_bucket
from kist.ports.system import Clock, Ids
from kist.ports.wiring import Wiring

BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    stored: Stored


@dataclass(slots=True)
class _Parts:
    place: Place
    started: datetime
    type: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Bucket:
    created: datetime
    objects: dict[str, _Object] = field(default_factory=dict)
    parts: dict[str, _Parts] = field(default_factory=dict)


def connect(wiring: Wiring) -> MemoryStore:
    """A new, empty store, whatever the URL says behind ``memory:``."""
    return MemoryStore(wiring.clock, wiring.ids)


class MemoryStore:
    """An ``ObjectStore`` that also holds buckets, copies and takes parts. It never suspends."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._buckets: dict[str, _Bucket] = {}

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        self._bucket(place.bucket)
        data = bytearray()
        async for block in body:
            data += block
            if rules.size is not None and len(data) > rules.size:
                break
        if rules.size not in (None, len(data)):
            raise Incomplete(f"{rules.size} bytes were declared and another number came", size=rules.size)
        return self._keep(place, bytes(data), rules.type, only_new=rules.only_new)

    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        found = self._object(place)
        if only_if is not None and only_if.etag != found.stored.etag:
            raise Stale("the object has been replaced")
        if span is not None:
            span.within(found.stored.size)
        return Opened(found.stored, span, _blocks(found.data, span), _nothing)

    async def head(self, place: Place) -> Stored:
        return self._object(place).stored

    async def heads(self, *places: Place) -> tuple[Stored | None, ...]:
        return tuple(found.stored if (found := self._find(place)) else None for place in places)

    async def erase(self, *places: Place) -> None:
        for place in places:
            if bucket := self._buckets.get(place.bucket):
                bucket.objects.pop(place.key, None)

    async def clear(self, place: Place) -> None:
        if bucket := self._buckets.get(place.bucket):
            for parts_id in [parts_id for parts_id, open_ in tuple(bucket.parts.items()) if open_.place == place]:
                bucket.parts.pop(parts_id, None)

    async def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        objects = self._bucket(bucket).objects
        # Python orders text by code points, which for whole Unicode is the order of the UTF-8 bytes.
        for key in sorted(key for key in tuple(objects) if key > after and key.startswith(prefix)):
            if found := objects.get(key):
                stored = found.stored
                yield Listed(key=key, size=stored.size, etag=stored.etag, modified=stored.modified)

    async def close(self) -> None:
        """Nothing is held open."""

    async def buckets(self) -> tuple[StoredBucket, ...]:
        return tuple(StoredBucket(name=name, created=held.created) for name, held in sorted(self._buckets.items()))

    async def make_bucket(self, name: str) -> None:
        check_bucket(name)
        made = _Bucket(self._clock.now())
        if self._buckets.setdefault(name, made) is not made:
            raise AlreadyThere(f"there is a bucket {name} already")

    async def drop_bucket(self, name: str) -> None:
        if self._bucket(name).objects:
            raise BucketNotEmpty(f"the bucket {name} holds objects: remove them first")
        del self._buckets[name]

    async def copy(self, source: Place, target: Place, rules: PutRules) -> Stored:
        self._bucket(target.bucket)
        return self._keep(target, self._object(source).data, rules.type)

    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        return await self.copy(source, target, rules)

    async def start_parts(self, place: Place, rules: PutRules) -> str:
        parts_id = self._ids.token()
        self._bucket(place.bucket).parts[parts_id] = _Parts(place, self._clock.now(), rules.type)
        return parts_id

    async def put_part(self, place: Place, parts_id: str, number: int, body: bytes) -> PartRef:
        self._open_parts(place, parts_id).parts[number] = bytes(body)
        return _part_ref(number, body)

    async def parts(self, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
        for number, data in sorted(self._open_parts(place, parts_id).parts.items()):
            yield _part_ref(number, data)

    async def finish_parts(self, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
        etag = _joined_etag([part.etag for part in parts])
        done = self._find(place)
        bucket = self._buckets.get(place.bucket)
        if bucket is not None and parts_id not in bucket.parts and done is not None and done.stored.etag == etag:
            return done.stored
        open_ = self._open_parts(place, parts_id)
        for part in parts:
            if part.number not in open_.parts or _part_ref(part.number, open_.parts[part.number]).etag != part.etag:
                raise Incomplete(f"part {part.number} has not arrived, or with other bytes", part=part.number)
        stored = self._keep(place, b"".join(open_.parts[part.number] for part in parts), open_.type, etag)
        del self._bucket(place.bucket).parts[parts_id]
        return stored

    async def drop_parts(self, place: Place, parts_id: str) -> None:
        if bucket := self._buckets.get(place.bucket):
            bucket.parts.pop(parts_id, None)

    async def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        for parts_id, open_ in tuple(self._bucket(bucket).parts.items()):
            if open_.place.key.startswith(prefix):
                yield OpenParts(key=open_.place.key, parts_id=parts_id, started=open_.started)

    def _keep(self, place: Place, data: bytes, type: str, etag: str = "", *, only_new: bool = False) -> Stored:
        stored = Stored(
            place=place, size=len(data), etag=etag or _etag(data), modified=self._clock.now(), type=type
        )  # fmt: skip
        objects, made = self._bucket(place.bucket).objects, _Object(data, stored)
        if not only_new:
            objects[place.key] = made
        elif objects.setdefault(place.key, made) is not made:
            raise AlreadyThere("there is an object at this place already")
        return stored

    def _bucket(self, name: str) -> _Bucket:
        try:
            return self._buckets[name]
        except KeyError:
            raise BucketMissing(f"there is no bucket {name}") from None

    def _find(self, place: Place) -> _Object | None:
        bucket = self._buckets.get(place.bucket)
        return bucket.objects.get(place.key) if bucket else None

    def _object(self, place: Place) -> _Object:
        found = self._find(place)
        if found is None:
            raise ObjectMissing(f"there is no object {place.key} in {place.bucket}")
        return found

    def _open_parts(self, place: Place, parts_id: str) -> _Parts:
        bucket = self._buckets.get(place.bucket)
        open_ = bucket.parts.get(parts_id) if bucket else None
        if open_ is None or open_.place != place:
            raise UploadMissing("this multipart upload has been finished or dropped")
        return open_


async def _blocks(data: bytes, span: Span | None) -> AsyncIterator[bytes]:
    start, stop = (span.start, span.stop) if span else (0, len(data))
    for at in range(start, stop, BLOCK):
        yield data[at : min(at + BLOCK, stop)]


async def _nothing() -> None:
    """Closing frees nothing: the body holds only memory."""


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _part_ref(number: int, data: bytes) -> PartRef:
    return PartRef(number=number, etag=_etag(data), size=len(data))


def _joined_etag(etags: Sequence[str]) -> str:
    return f"{_etag(','.join(etags).encode())}-{len(etags)}"
