"""A store that tells a watcher of each call: what faults and failpoints are made of.

The wrapper has exactly the abilities of the store inside it, so that code which asks for an ability decides as it
would without the wrapper.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

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
from kist.model.grant import Grant
from kist.model.place import Place
from kist.ports.store import (
    Copies,
    HoldsBuckets,
    ObjectStore,
    Probes,
    Receives,
    Seals,
    SetsCors,
    Signs,
    TakesParts,
)

T = TypeVar("T")


class Watch:
    """Watches one call, named as the method of the port. Lets everything pass: override what is to be disturbed."""

    async def before(self) -> None:
        """The call is about to be made."""

    async def during(self, block: bytes) -> None:
        """A block of the body passes: inwards in ``put``, outwards in ``open``."""

    async def after(self) -> None:
        """The call has succeeded; nobody has been told yet."""

    def answer(self, value: T) -> T:
        """What the caller is told instead of ``value``; of a listing, each entry."""
        return value


Watcher: TypeAlias = Callable[[str], Watch]
"""Asked at the start of each call for who watches it."""


def watched(store: ObjectStore, watcher: Watcher) -> Any:
    """``store`` as it is, with all its abilities, every call watched."""
    abilities = tuple(wrapper for ability, wrapper in _WRAPPERS if isinstance(store, ability))
    return type("WatchedStore", (*abilities, WatchedStore), {})(store, watcher)


class Watched:
    """What the wrappers share."""

    _store: Any

    def __init__(self, store: Any, watcher: Watcher) -> None:
        self._store = store
        self._watcher = watcher

    @asynccontextmanager
    async def _call(self, call: str) -> AsyncIterator[Watch]:
        watch = self._watcher(call)
        await watch.before()
        yield watch
        await watch.after()

    async def _entries(self, call: str, entries: AsyncIterator[T]) -> AsyncIterator[T]:
        async with self._call(call) as watch:
            async for entry in entries:
                yield watch.answer(entry)


async def _passing(watch: Watch, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for block in body:
        await watch.during(block)
        yield block


class WatchedStore(Watched):
    """``ObjectStore``."""

    _store: ObjectStore

    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        async with self._call("put") as watch:
            return watch.answer(await self._store.put(place, _passing(watch, body), rules))

    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        async with self._call("open") as watch:
            opened = await self._store.open(place, span, only_if)
            return Opened(watch.answer(opened.stored), opened.span, _passing(watch, opened.body), opened.close)

    async def head(self, place: Place) -> Stored:
        async with self._call("head") as watch:
            return watch.answer(await self._store.head(place))

    async def heads(self, *places: Place) -> tuple[Stored | None, ...]:
        async with self._call("heads") as watch:
            return tuple(head and watch.answer(head) for head in await self._store.heads(*places))

    async def erase(self, *places: Place) -> None:
        async with self._call("erase"):
            await self._store.erase(*places)

    async def clear(self, place: Place) -> None:
        async with self._call("clear"):
            await self._store.clear(place)

    def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        return self._entries("list", self._store.list(bucket, prefix, after))

    async def close(self) -> None:
        await self._store.close()


class WatchedBuckets(Watched):
    """``HoldsBuckets``."""

    _store: HoldsBuckets

    async def buckets(self) -> tuple[StoredBucket, ...]:
        async with self._call("buckets") as watch:
            return watch.answer(await self._store.buckets())

    async def make_bucket(self, name: str) -> None:
        async with self._call("make_bucket"):
            await self._store.make_bucket(name)

    async def drop_bucket(self, name: str) -> None:
        async with self._call("drop_bucket"):
            await self._store.drop_bucket(name)


class WatchedCopies(Watched):
    """``Copies``."""

    _store: Copies

    async def copy(self, source: Place, target: Place, rules: PutRules) -> Stored:
        async with self._call("copy") as watch:
            return watch.answer(await self._store.copy(source, target, rules))


class WatchedSeals(Watched):
    """``Seals``."""

    _store: Seals

    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        async with self._call("seal") as watch:
            return watch.answer(await self._store.seal(source, target, rules))


class WatchedParts(Watched):
    """``TakesParts``."""

    _store: TakesParts

    async def start_parts(self, place: Place, rules: PutRules) -> str:
        async with self._call("start_parts") as watch:
            return watch.answer(await self._store.start_parts(place, rules))

    async def put_part(self, place: Place, parts_id: str, number: int, body: bytes) -> PartRef:
        async with self._call("put_part") as watch:
            return watch.answer(await self._store.put_part(place, parts_id, number, body))

    def parts(self, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
        return self._entries("parts", self._store.parts(place, parts_id))

    async def finish_parts(self, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
        async with self._call("finish_parts") as watch:
            return watch.answer(await self._store.finish_parts(place, parts_id, parts))

    async def drop_parts(self, place: Place, parts_id: str) -> None:
        async with self._call("drop_parts"):
            await self._store.drop_parts(place, parts_id)

    def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        return self._entries("open_parts", self._store.open_parts(bucket, prefix))


class WatchedCors(Watched):
    """``SetsCors``."""

    _store: SetsCors

    async def cors(self, bucket: str) -> tuple[CorsRule, ...]:
        async with self._call("cors") as watch:
            return watch.answer(await self._store.cors(bucket))

    async def set_cors(self, bucket: str, rules: Sequence[CorsRule]) -> None:
        async with self._call("set_cors"):
            await self._store.set_cors(bucket, rules)


class WatchedSigns(Watched):
    """``Signs``: no I/O, so nothing to watch."""

    _store: Signs

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
        return self._store.sign(method, place, expires, headers=headers, query=query, since=since)

    def sign_form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        return self._store.sign_form(place, expires, limits)


class WatchedReceives(Watched):
    """``Receives``."""

    _store: Receives

    def verify(self, token: str) -> Grant:
        return self._store.verify(token)

    async def receive_part(
        self, place: Place, parts_id: str, number: int, body: AsyncIterable[bytes], size: int
    ) -> PartRef:
        async with self._call("receive_part") as watch:
            passing = _passing(watch, body)
            return watch.answer(await self._store.receive_part(place, parts_id, number, passing, size))


class WatchedProbes(Watched):
    """``Probes``."""

    _store: Probes

    def profile_id(self, bucket: str) -> str:
        return self._store.profile_id(bucket)

    async def equip(self, bucket: str, like: str) -> None:
        async with self._call("equip"):
            await self._store.equip(bucket, like)

    async def probe(self, bucket: str, origins: Sequence[str]) -> dict[str, str]:
        async with self._call("probe") as watch:
            return watch.answer(await self._store.probe(bucket, origins))


_WRAPPERS: tuple[tuple[type, type[Watched]], ...] = (
    (HoldsBuckets, WatchedBuckets),
    (Copies, WatchedCopies),
    (Seals, WatchedSeals),
    (TakesParts, WatchedParts),
    (SetsCors, WatchedCors),
    (Signs, WatchedSigns),
    (Receives, WatchedReceives),
    (Probes, WatchedProbes),
)
