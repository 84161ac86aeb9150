"""Bytes by place. A store knows no owners, no names and no states.

Every store translates its own failures: ``StoreUnavailable`` (try later), ``StoreFull``, ``StoreRefused`` (wrong
key or right), ``ClockSkew``, ``Corrupt``. Any method may raise those; below stands only what is particular.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

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


class ObjectStore(Protocol):
    async def put(self, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
        """Store the whole of ``body`` at ``place``, replacing what is there in one step, durably before returning.

        Reads ``body`` once, in bounded memory. When ``body`` raises, that error passes through unchanged and the
        place is as it was, without leftovers where the store can still be reached. A reader sees the old object or
        the new one, never a mixture. ``BucketMissing`` when there is no such bucket. ``Incomplete`` when
        ``rules.size`` is given and another number of bytes came. ``BadName`` for a key that this store cannot hold,
        ``AlreadyThere`` where it cannot hold ``a`` beside ``a/b``,
        and where ``rules.only_new`` is set and there is an object. ``body`` is closed by whoever made it.
        """

    async def open(self, place: Place, span: Span | None = None, only_if: Condition | None = None) -> Opened:
        """Open an object, or the ``span`` of it. The caller closes what is returned, in any case.

        ``ObjectMissing`` when absent, also for an absent bucket, ``BadRange`` when the span reaches beyond the end,
        ``Stale`` when ``only_if`` does not hold. The body yields non-empty blocks and raises ``Corrupt`` or
        ``StoreUnavailable`` rather than end early.
        """

    async def head(self, place: Place) -> Stored:
        """What is known of an object without its bytes. ``ObjectMissing`` when absent, also for an absent bucket."""

    async def heads(self, *places: Place) -> tuple[Stored | None, ...]:
        """``head`` of many, in their order, None for those absent."""

    async def erase(self, *places: Place) -> None:
        """Remove objects; those absent, and absent buckets, are fine. On an error some may be gone: call again."""

    async def clear(self, place: Place) -> None:
        """Remove what cut-off puts left behind for ``place``: temporary files, open multipart uploads.

        The object itself stays; an absent bucket is fine. A put to the same place that is under way may fail, so call
        it for ended uploads.
        """

    def list(self, bucket: str, prefix: str = "", after: str = "") -> AsyncIterator[Listed]:
        """The objects whose key begins with ``prefix`` and is greater than ``after``, in UTF-8 byte order.

        Shows finished objects only. ``BucketMissing`` (at the first step) when there is no such bucket. A listing
        that cannot be read to its end raises; it never just stops.
        """

    async def close(self) -> None:
        """Free connections and threads. The store is not used afterwards."""


@runtime_checkable
class HoldsBuckets(Protocol):
    async def buckets(self) -> tuple[StoredBucket, ...]:
        """All buckets that this store's credentials own, sorted by name."""

    async def make_bucket(self, name: str) -> None:
        """Make a bucket, durably. ``BadName`` for an illegal name, ``AlreadyThere`` when it exists."""

    async def drop_bucket(self, name: str) -> None:
        """Remove an empty bucket. ``BucketMissing``; ``BucketNotEmpty`` when it holds any object: never forced."""


@runtime_checkable
class Copies(Protocol):
    async def copy(self, source: Place, target: Place, rules: PutRules) -> Stored:
        """Copy within the store, without the bytes passing through Kist, with type (and nothing else) from ``rules``.

        ``ObjectMissing`` when there is no source. As atomic and as durable as ``put``.
        """


@runtime_checkable
class Seals(Protocol):
    async def seal(self, source: Place, target: Place, rules: PutRules) -> Stored:
        """Make ``target`` an object with the bytes that ``source`` has at one instant; return what is then there.

        Nothing written to ``source`` later changes ``target``. Type and nothing else comes from ``rules``. The source
        stays. ``ObjectMissing`` when there is none. As atomic and as durable as ``put``.
        """


@runtime_checkable
class TakesParts(Protocol):
    async def start_parts(self, place: Place, rules: PutRules) -> str:
        """Begin a multipart upload and return its id. Nothing is visible at ``place`` until it is finished."""

    async def put_part(self, place: Place, parts_id: str, number: int, body: bytes) -> PartRef:
        """Store part ``number`` (1 to 10,000), replacing an earlier one of that number. ``UploadMissing`` if ended."""

    def parts(self, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
        """The parts that have arrived, by number. ``UploadMissing`` if ended."""

    async def finish_parts(self, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
        """Join ``parts`` (by number, at least one) into the object and return what the store then says of it.

        The answer of the joining request is not believed: the object is looked at. Repeating it after success gives
        the same result. ``UploadMissing`` if it was dropped, ``Incomplete`` if a part is not there. Some servers
        (Ceph 16) join all parts that have arrived or none: ``Incomplete`` there for fewer, and nothing is lost.
        """

    async def drop_parts(self, place: Place, parts_id: str) -> None:
        """End a multipart upload and free its bytes; absent is fine."""

    def open_parts(self, bucket: str, prefix: str = "") -> AsyncIterator[OpenParts]:
        """The multipart uploads that are open under ``prefix``."""


@runtime_checkable
class SetsCors(Protocol):
    async def cors(self, bucket: str) -> tuple[CorsRule, ...]:
        """The bucket's CORS rules, empty when there are none."""

    async def set_cors(self, bucket: str, rules: Sequence[CorsRule]) -> None:
        """Replace the bucket's CORS rules."""


@runtime_checkable
class Signs(Protocol):
    """Pure computation: never I/O, so never async."""

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
        """A request that anyone who holds it may make until it expires (1 second to 7 days, else ``Invalid``).

        ``headers`` are signed: the holder must send exactly these. ``query`` is signed into the URL. ``since``: sign
        as of that moment in the recent past, from which ``expires`` counts, so that the same question gives the same
        URL for a while. Writing requests are signed with the restricted key where there is one, reading ones never.
        """

    def sign_form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        """A form that uploads to exactly ``place`` until it expires, within ``limits``."""


@runtime_checkable
class Receives(Protocol):
    """A store whose signed URLs and forms lead to Kist itself, which answers them by the dialect ``door``."""

    def verify(self, token: str) -> Grant:
        """What the token in a signed URL, or in the field ``policy`` of a form, allows.

        ``NotAllowed`` unless this store signed it, ``Expired`` when its time is over.
        """

    async def receive_part(
        self, place: Place, parts_id: str, number: int, body: AsyncIterable[bytes], size: int
    ) -> PartRef:
        """``put_part`` for a part of any size, in bounded memory. ``Incomplete`` unless ``size`` bytes come.

        What the body raises passes through, and the part is as it was.
        """


@runtime_checkable
class Probes(Protocol):
    """A store on somebody else's server, which has to be looked at before signatures are handed out."""

    def profile_id(self, bucket: str) -> str:
        """A short text that names endpoint, bucket and signing key: where one differs, the probe must be repeated."""

    async def equip(self, bucket: str, like: str) -> None:
        """Give a new bucket the CORS rules of the bucket ``like``, and its policy with the name changed."""

    async def probe(self, bucket: str, origins: Sequence[str]) -> dict[str, str]:
        """Ask all questions of ``kist.model.profile.Check`` under ``.kist/in/`` and ``.kist/parts/`` of ``bucket``.

        For each: ``HELD``, or in a few words what happened instead. Leaves nothing behind. ``origins`` are the pages
        whose CORS requests are tried. Raises what any method may raise when the server cannot be asked at all.
        """
