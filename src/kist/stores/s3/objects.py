"""Erase and clear: objects that are to go, and what cut-off puts left behind."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kist.errors import BucketMissing, ObjectMissing, StoreUnavailable
from kist.model.place import Place
from kist.stores.s3.multipart import drop_parts, open_parts, parts_open
from kist.stores.s3.sender import Ask, Sender, content_md5
from kist.stores.s3.xml import build, parse_root

_BATCH = 1000
_ROUNDS = 4
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


async def erase_objects(sender: Sender, places: Sequence[Place]) -> None:
    """Remove objects, a thousand at a time; absent ones and absent buckets are fine."""
    by_bucket: dict[str, list[str]] = {}
    for place in dict.fromkeys(places):
        by_bucket.setdefault(place.bucket, []).append(place.key)
    for bucket, keys in by_bucket.items():
        try:
            await _erase_in(sender, bucket, keys)
        except BucketMissing:
            continue


async def clear_place(sender: Sender, place: Place) -> None:
    """Drop the multipart uploads for exactly this key. One that still takes a part may outlive being dropped, so look
    again until none is there.
    """
    for _ in range(_ROUNDS):
        try:
            found = [each async for each in open_parts(sender, place.bucket, place.key) if each.key == place.key]
        except BucketMissing:
            return
        if not found:
            return
        for each in found:
            await drop_parts(sender, place, each.parts_id)
    for each in found:
        if await parts_open(sender, place, each.parts_id):
            raise StoreUnavailable("a multipart upload that was dropped is still there")


async def _erase_in(sender: Sender, bucket: str, keys: Sequence[str]) -> None:
    single = [key for key in keys if _NOT_IN_XML.search(key)] if len(keys) > 1 else keys
    for key in single:
        await _erase_one(sender, bucket, key)
    many = [key for key in keys if key not in single] if single else keys
    for start in range(0, len(many), _BATCH):
        await _erase_batch(sender, bucket, many[start : start + _BATCH])


async def _erase_one(sender: Sender, bucket: str, key: str) -> None:
    try:
        await sender.ask(Ask("DELETE", bucket, key))
    except ObjectMissing:
        return


async def _erase_batch(sender: Sender, bucket: str, keys: Sequence[str]) -> None:
    body = build("Delete", [("Quiet", "true"), *(("Object", [("Key", key)]) for key in keys)])
    headers = (("content-md5", content_md5(body)[1]), ("content-type", "application/xml"))
    ask = Ask("POST", bucket, query=(("delete", ""),), headers=headers, body=body)
    for node in parse_root((await sender.ask(ask)).body, "DeleteResult").all("Error"):
        code = node.find("Code") or ""
        if code != "NoSuchKey":
            raise sender.meaning(code, ask)
