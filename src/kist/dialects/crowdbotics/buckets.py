"""Buckets: list, create, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from kist.dialects.crowdbotics.addresses import SERVICE
from kist.dialects.crowdbotics.fields import acting, read_fields
from kist.dialects.crowdbotics.refusals import CREATE, DELETE, LIST, asking
from kist.dialects.rest_framework import sent_fields
from kist.errors import AlreadyThere, BadName, BucketMissing, BucketNotEmpty, NotAllowed
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Route

BucketName = Annotated[str, Meta(max_length=205)]


class WantedBucket(msgspec.Struct, frozen=True):
    """A bucket to make."""

    bucket: BucketName


class UnwantedBucket(msgspec.Struct, frozen=True):
    """A bucket to remove. ``owner_id`` is the caller's own id; an admin may name its owner's."""

    bucket: BucketName
    owner_id: str


class ResponseMetadata(msgspec.Struct, frozen=True, rename="pascal"):
    """What boto3 says of a call. Nothing of the store's own answer is in it."""

    request_id: str
    host_id: str = ""
    http_status_code: int = msgspec.field(default=200, name="HTTPStatusCode")
    http_headers: dict[str, str] = msgspec.field(default_factory=dict, name="HTTPHeaders")
    retry_attempts: int = 0


class BucketLine(msgspec.Struct, frozen=True, rename="pascal"):
    """A bucket in the list."""

    name: str
    creation_date: datetime


class BucketOwner(msgspec.Struct, frozen=True):
    """Who asked: both are the caller's id."""

    display_name: str = msgspec.field(name="DisplayName")
    id: str = msgspec.field(name="ID")


class AllBuckets(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a list."""

    response_metadata: ResponseMetadata
    buckets: tuple[BucketLine, ...]
    owner: BucketOwner


class MadeBucket(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a creation."""

    response_metadata: ResponseMetadata
    location: str


class RemovedBucket(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a removal."""

    response_metadata: ResponseMetadata


async def listing(call: Call, kist: Kist) -> Reply:
    """The buckets of the caller; for an admin all."""
    found = await kist.buckets.list(call.actor)
    lines = tuple(BucketLine(bucket.name, bucket.created_at) for bucket in found)
    return Reply.json(AllBuckets(_metadata(kist), lines, BucketOwner(call.actor.id, call.actor.id)))


async def create(call: Call, kist: Kist) -> Reply:
    """Make a bucket. The later API calls the field ``bucket_name``."""
    sent = await sent_fields(call)
    if "bucket" not in sent and "bucket_name" in sent:
        sent["bucket"] = sent["bucket_name"]
    bucket = await kist.buckets.create(call.actor, read_fields(sent, WantedBucket).bucket)
    return Reply.json(MadeBucket(_metadata(kist), f"/{bucket.name}"), status=201)


async def remove(call: Call, kist: Kist) -> Reply:
    """Remove an empty bucket."""
    await _remove(call, kist, read_fields(await sent_fields(call), UnwantedBucket))
    return Reply.json(RemovedBucket(_metadata(kist, status=204)))


async def remove_at(call: Call, kist: Kist) -> Reply:
    """Remove an empty bucket, by the later path."""
    named = {"bucket": call.params["bucket_name"], "owner_id": call.params["owner_id"]}
    await _remove(call, kist, read_fields(named, UnwantedBucket))
    return Reply.empty()


async def _remove(call: Call, kist: Kist, unwanted: UnwantedBucket) -> None:
    """Like ``ExpectedBucketOwner`` of S3, ``owner_id`` guards against taking another's bucket for the one meant."""
    owner = acting(call.actor, unwanted.owner_id, "owner_id").id
    if owner != call.actor.id:
        owners = {bucket.name: bucket.owner for bucket in await kist.buckets.list(call.actor)}
        if owners.get(unwanted.bucket, owner) != owner:
            raise NotAllowed("owner_id is not the owner of this bucket")
    await kist.buckets.remove(call.actor, unwanted.bucket)


def _metadata(kist: Kist, *, status: int = 200) -> ResponseMetadata:
    return ResponseMetadata(kist.new_id(), http_status_code=status)


ROUTES = (
    Route(
        method="GET",
        path=f"{SERVICE}/bucket/list",
        handler=asking(LIST, listing),
        name="crowdbotics-buckets",
        summary="List buckets: the caller's own, for an admin all",
        answers=AllBuckets,
    ),
    Route(
        method="POST",
        path=f"{SERVICE}/bucket/create",
        handler=asking(CREATE, create),
        name="crowdbotics-bucket-create",
        summary="Create a bucket",
        body=BodyKind.SMALL,
        accepts=WantedBucket,
        answers=MadeBucket,
        status=201,
        errors=(BadName, AlreadyThere, NotAllowed),
    ),
    Route(
        method="DELETE",
        path=f"{SERVICE}/bucket/remove",
        handler=asking(DELETE, remove),
        name="crowdbotics-bucket-remove",
        summary="Remove an empty bucket",
        body=BodyKind.SMALL,
        accepts=UnwantedBucket,
        answers=RemovedBucket,
        errors=(BucketMissing, BucketNotEmpty, NotAllowed),
    ),
    Route(
        method="DELETE",
        path=f"{SERVICE}/owners/{{owner_id}}/buckets/{{bucket_name}}/remove",
        handler=asking(DELETE, remove_at),
        name="crowdbotics-bucket-remove-by-path",
        summary="Remove an empty bucket, by the later path",
        status=204,
        errors=(BucketMissing, BucketNotEmpty, NotAllowed),
    ),
)
