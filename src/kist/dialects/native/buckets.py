"""Buckets in the native API, and the objects in them that are no files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from kist.errors import AlreadyThere, BadName, BucketMissing, BucketNotEmpty, Invalid, NotAllowed, ObjectMissing
from kist.model.bucket import Bucket, BucketState
from kist.model.content import Listed, Stored
from kist.model.query import MAX_PAGE
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.conditions import unchanged
from kist.wire.decoding import decode_body, decode_query
from kist.wire.disposition import content_disposition
from kist.wire.download import FENCES
from kist.wire.ranges import parse, still_current
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Route


class NewBucket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bucket to make."""

    name: Annotated[str, Meta(description="3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends")]


class BucketShape(msgspec.Struct, frozen=True):
    """A bucket. ``owner`` is empty where nobody made it here; ``dialect``: the contract that keeps it for itself."""

    name: str
    owner: str
    created_at: datetime
    state: BucketState
    dialect: str | None


class BucketList(msgspec.Struct, frozen=True):
    """The buckets of the caller, by name; of everybody for an admin."""

    items: tuple[BucketShape, ...]


class RemoveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What keeps a slip from removing a bucket."""

    confirm: Annotated[str | None, Meta(description="the name of the bucket once more")] = None


class ObjectQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which objects."""

    prefix: str = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[str | None, Meta(description="next of the page before")] = None


class ObjectShape(msgspec.Struct, frozen=True):
    """An object that lies in a bucket, whether or not Kist has put it there."""

    key: str
    size: int
    modified_at: datetime
    etag: str


class ObjectPageShape(msgspec.Struct, frozen=True):
    """A page of objects by key. ``next`` is the cursor of the page after it."""

    items: tuple[ObjectShape, ...]
    next: str | None


async def page(call: Call, kist: Kist) -> Reply:
    """List buckets."""
    return Reply.json(BucketList(tuple(map(shape_bucket, await kist.buckets.list(call.actor)))))


async def create(call: Call, kist: Kist) -> Reply:
    """Make a bucket."""
    asked = await decode_body(call, NewBucket)
    return Reply.json(shape_bucket(await kist.buckets.create(call.actor, asked.name)), status=201)


async def remove(call: Call, kist: Kist) -> Reply:
    """Remove a bucket, if its name is said twice."""
    name = call.params["name"]
    if decode_query(call.query, RemoveQuery).confirm != name:
        raise Invalid(f"to remove the bucket, say its name once more: ?confirm={name}")
    await kist.buckets.remove(call.actor, name)
    return Reply.empty()


async def objects(call: Call, kist: Kist) -> Reply:
    """List the objects of a bucket, as the store says right now."""
    asked = decode_query(call.query, ObjectQuery)
    found = await kist.objects.page(
        call.actor, call.params["name"], prefix=asked.prefix, after=asked.cursor or "", limit=asked.limit
    )
    return Reply.json(ObjectPageShape(tuple(map(_shape_object, found.items)), found.next))


async def read(call: Call, kist: Kist) -> Reply:
    """Send the bytes of an object, always as an attachment: nobody has looked at them."""
    bucket, key = call.params["name"], call.params["key"]
    stored = await kist.objects.head(call.actor, bucket, key)
    headers = _headers_of(stored)
    if unchanged(call, stored.etag):
        return Reply(status=304, headers=headers)
    if call.method == "HEAD":
        return Reply(headers=headers, length=stored.size)
    wanted = call.headers.get("range") if still_current(call.headers.get("if-range"), stored.etag) else None
    span = parse(wanted, stored.size)
    opened = await kist.objects.open(call.actor, bucket, key, span, still=stored)
    if span is None:
        return Reply.stream(opened.body, headers=headers, length=opened.stored.size, close=opened.close)
    headers.append(("content-range", f"bytes {span.start}-{span.stop - 1}/{stored.size}"))
    return Reply.stream(opened.body, status=206, headers=headers, length=span.length, close=opened.close)


async def erase(call: Call, kist: Kist) -> Reply:
    """Remove an object."""
    await kist.objects.remove(call.actor, call.params["name"], call.params["key"])
    return Reply.empty()


def shape_bucket(bucket: Bucket) -> BucketShape:
    """A bucket as the native API shows it."""
    return BucketShape(bucket.name, bucket.owner, bucket.created_at, bucket.state, bucket.dialect)


def _shape_object(listed: Listed) -> ObjectShape:
    return ObjectShape(listed.key, listed.size, listed.modified, listed.etag)


def _headers_of(stored: Stored) -> list[tuple[str, str]]:
    return [
        ("etag", f'"{stored.etag}"'),
        ("content-type", "application/octet-stream"),
        ("content-disposition", content_disposition("attachment", stored.place.key.rpartition("/")[2])),
        ("accept-ranges", "bytes"),
        *FENCES,
    ]


ROUTES = (
    Route(
        method="GET",
        path="/v1/buckets",
        handler=page,
        name="buckets-list",
        summary="My buckets; for an admin all that the store holds",
        answers=BucketList,
    ),
    Route(
        method="POST",
        path="/v1/buckets",
        handler=create,
        name="buckets-create",
        summary="Make a bucket, for files that nobody else may put there",
        body=BodyKind.SMALL,
        accepts=NewBucket,
        answers=BucketShape,
        status=201,
        errors=(BadName, AlreadyThere, NotAllowed),
    ),
    Route(
        method="DELETE",
        path="/v1/buckets/{name}",
        handler=remove,
        name="buckets-remove",
        summary="Remove a bucket that holds nothing",
        query=RemoveQuery,
        status=204,
        errors=(BucketMissing, BucketNotEmpty),
    ),
    Route(
        method="GET",
        path="/v1/buckets/{name}/objects",
        handler=objects,
        name="objects-list",
        summary="What lies in a bucket beside Kist's own, for its owner and admins",
        query=ObjectQuery,
        answers=ObjectPageShape,
        errors=(BucketMissing,),
    ),
    Route(
        method="GET",
        path="/v1/buckets/{name}/objects/{key...}",
        handler=read,
        name="objects-read",
        summary="The bytes of such an object",
        answers=bytes,
        errors=(BucketMissing, ObjectMissing),
    ),
    Route(
        method="DELETE",
        path="/v1/buckets/{name}/objects/{key...}",
        handler=erase,
        name="objects-remove",
        summary="Remove such an object",
        status=204,
        errors=(BucketMissing, BadName),
    ),
)
