"""Buckets of the account."""

from __future__ import annotations

from kist.errors import AlreadyThere, BucketMissing, Misconfigured, StoreRefused
from kist.model.content import StoredBucket
from kist.model.place import check_bucket
from kist.stores.s3.sender import Ask, Sender
from kist.stores.s3.xml import build, parse_root

_HOME = "us-east-1"  # the one region that is asked for by not naming it


async def list_buckets(sender: Sender) -> tuple[StoredBucket, ...]:
    """All buckets of the account, sorted by name."""
    found: list[StoredBucket] = []
    token = ""
    while True:
        query = (("continuation-token", token),) if token else ()
        root = parse_root((await sender.ask(Ask("GET", query=query))).body, "ListAllMyBucketsResult")
        for group in root.all("Buckets"):
            found += [
                StoredBucket(name=node.text("Name"), created=node.time("CreationDate")) for node in group.all("Bucket")
            ]
        following = root.find("ContinuationToken") or ""
        if not following:
            return tuple(sorted(found, key=lambda bucket: bucket.name))
        if following == token:
            raise StoreRefused("the object store's list of buckets repeats itself")
        token = following


async def make_bucket(sender: Sender, name: str) -> None:
    """Make a bucket in the region of the settings. ``BadName``, ``AlreadyThere``."""
    check_bucket(name)
    # Some servers answer the owner of an existing bucket as if it had just been made, so ask first.
    if await _exists(sender, name):
        raise AlreadyThere(f"the bucket {name} exists already")
    try:
        await sender.ask(Ask("PUT", name, body=_location(sender.region)))
    except Misconfigured:
        if sender.addresses.amazon or sender.region == _HOME:
            raise
        # Other servers take any region in signatures, but know only their own zones' names here.
        await sender.ask(Ask("PUT", name))


async def drop_bucket(sender: Sender, name: str) -> None:
    """Remove a bucket. ``BucketMissing``, ``BucketNotEmpty``."""
    check_bucket(name)
    await sender.ask(Ask("DELETE", name))


async def _exists(sender: Sender, name: str) -> bool:
    try:
        await sender.ask(Ask("HEAD", name))
    except BucketMissing:
        return False
    except (StoreRefused, Misconfigured):
        # It may be somebody else's, lie in another region, or the key may only not look: making it will tell.
        return False
    return True


def _location(region: str) -> bytes | None:
    if region == _HOME:
        return None
    return build("CreateBucketConfiguration", [("LocationConstraint", region)])
