"""Multipart uploads: begun, filled, joined, dropped, listed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import md5

from kist.errors import (
    BucketMissing,
    Corrupt,
    Invalid,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
    UploadMissing,
)
from kist.model.content import OpenParts, PartRef, PutRules, Stored
from kist.model.place import Place
from kist.model.signatures import check_part_number
from kist.stores.s3.reading import find_object, unquoted
from kist.stores.s3.sender import Answer, Ask, Sender
from kist.stores.s3.transport import Bytes
from kist.stores.s3.xml import build, is_last, key_decoder, parse_root

_JOINING = 120.0  # seconds: servers may take minutes to join thousands of parts

_MD5 = re.compile(r"[0-9a-f]{32}")
_JOINED = re.compile(r"[0-9a-f]{32}-[0-9]+")


async def start_parts(sender: Sender, place: Place, rules: PutRules) -> str:
    """Begin a multipart upload and return its id."""
    ask = Ask("POST", place.bucket, place.key, (("uploads", ""),), kept_headers(rules))
    answer = await sender.ask(ask)
    return parse_root(answer.body, "InitiateMultipartUploadResult").text("UploadId")


async def put_part(sender: Sender, place: Place, parts_id: str, number: int, body: Bytes) -> PartRef:
    """Store one part, replacing an earlier one of its number."""
    check_part_number(number)
    digest, encoded = await sender.content_md5(body)
    query = (("partNumber", str(number)), ("uploadId", parts_id))
    headers = (("content-md5", encoded),)
    answer = await _ask_of(sender, Ask("PUT", place.bucket, place.key, query, headers, body, signs_body=False))
    return PartRef(number=number, etag=checked_etag(answer.headers, digest) or digest, size=len(body))


async def list_parts(sender: Sender, place: Place, parts_id: str) -> AsyncIterator[PartRef]:
    """The parts that have arrived, by number."""
    marker = 0
    while True:
        query = (("part-number-marker", str(marker)), ("uploadId", parts_id)) if marker else (("uploadId", parts_id),)
        answer = await _ask_of(sender, Ask("GET", place.bucket, place.key, query))
        root = parse_root(answer.body, "ListPartsResult")
        before = marker
        for node in root.all("Part"):
            part = PartRef(number=node.size("PartNumber"), etag=unquoted(node.text("ETag")), size=node.size())
            if part.number <= marker:
                raise StoreRefused("the object store's list of parts is out of order")
            marker = part.number
            yield part
        if is_last(root, root.find("NextPartNumberMarker") or ""):
            return
        if root.size("NextPartNumberMarker") != marker or marker == before:
            raise StoreRefused("the object store's list of parts cannot be read on")


async def finish_parts(sender: Sender, place: Place, parts_id: str, parts: Sequence[PartRef]) -> Stored:
    """Join the parts. What this request answers is worth little: servers report success and fail, time out or lose
    track and succeed. So after anything but a plain refusal, the object itself is looked at.
    """
    if not parts:
        raise Invalid("a multipart upload cannot be finished without a part")
    joined = _Joined(parts)
    tries = sender.backoff.begin(sender.clock.ticks() + _JOINING)
    while True:
        try:
            etag = await _join(sender, place, parts_id, joined)
        except (StoreUnavailable, UploadMissing) as doubt:
            gone = isinstance(doubt, UploadMissing) or not await parts_open(sender, place, parts_id)
            found = await find_object(sender, place)
            if found is not None and joined.made(found):
                return found
            if gone or isinstance(doubt, UploadMissing):  # the second is for the type checker
                raise _ended() from doubt
            await tries.again(doubt)
        else:
            return await _seen(sender, place, joined, etag)


async def drop_parts(sender: Sender, place: Place, parts_id: str) -> None:
    """End a multipart upload; absent is fine."""
    try:
        await sender.ask(Ask("DELETE", place.bucket, place.key, (("uploadId", parts_id),)))
    except (UploadMissing, ObjectMissing, BucketMissing):
        return


async def parts_open(sender: Sender, place: Place, parts_id: str) -> bool:
    """Whether the multipart upload is still there."""
    try:
        await _ask_of(sender, Ask("GET", place.bucket, place.key, (("max-parts", "1"), ("uploadId", parts_id))))
    except UploadMissing:
        return False
    return True


async def open_parts(sender: Sender, bucket: str, prefix: str) -> AsyncIterator[OpenParts]:
    """The multipart uploads that are open under ``prefix``."""
    after: tuple[tuple[str, str], ...] = ()
    while True:
        query = (("encoding-type", "url"), *after, *((("prefix", prefix),) if prefix else ()), ("uploads", ""))
        answer = await sender.ask(Ask("GET", bucket, query=query))
        root = parse_root(answer.body, "ListMultipartUploadsResult")
        decoded = key_decoder(root)
        for node in root.all("Upload"):
            key = decoded(node.text("Key"))
            if key.startswith(prefix):
                yield OpenParts(key=key, parts_id=node.text("UploadId"), started=node.time("Initiated"))
        if is_last(root, root.find("NextKeyMarker") or ""):
            return
        marker = decoded(root.text("NextKeyMarker")), root.text("NextUploadIdMarker")
        following = (("key-marker", marker[0]), ("upload-id-marker", marker[1]))
        if following == after or (after and marker[0].encode() < after[0][1].encode()):
            raise StoreRefused("the object store's list of uploads repeats itself")
        after = following


def type_header(rules: PutRules) -> tuple[str, str]:
    """The media type as a header; ``Invalid`` for what cannot stand in one."""
    if not (rules.type.isascii() and rules.type.isprintable() and rules.type.strip()):
        raise Invalid("a media type is printable ASCII text, such as text/plain")
    return ("content-type", rules.type)


def kept_headers(rules: PutRules) -> tuple[tuple[str, str], ...]:
    """The headers of what is kept with an object: its media type, and its ACL where one is asked for."""
    acl = () if rules.acl is None else (("x-amz-acl", rules.acl),)
    return (type_header(rules), *acl)


def checked_etag(headers: Mapping[str, str], digest: str) -> str:
    """The ETag of an answer, "" when there is none.

    ``Corrupt`` when it is an MD5 and not the one of the bytes that were sent. With the store's own encryption by
    managed keys an ETag only looks like one.
    """
    etag = unquoted(headers.get("etag", ""))
    managed = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    customer = "x-amz-server-side-encryption-customer-algorithm" in headers
    if etag != digest and _MD5.fullmatch(etag) and not managed and not customer:
        raise Corrupt("the object store keeps other bytes than those that it was sent")
    return etag


class _Joined:
    """What the object that these parts make must look like."""

    def __init__(self, parts: Sequence[PartRef]) -> None:
        self.parts = sorted(parts, key=lambda part: part.number)
        self._size = sum(part.size for part in parts)
        etags = [unquoted(part.etag) for part in self.parts]
        self._etag: str | None = None
        if all(_MD5.fullmatch(etag) for etag in etags):
            digest = md5(bytes.fromhex("".join(etags)), usedforsecurity=False).hexdigest()
            self._etag = f"{digest}-{len(etags)}"

    def made(self, found: Stored) -> bool:
        """Whether ``found`` is these parts joined. Where ETags are no MD5s, the size and the count must do."""
        if found.size != self._size:
            return False
        if self._etag is not None and _JOINED.fullmatch(found.etag):
            return found.etag == self._etag
        return found.etag.endswith(f"-{len(self.parts)}")

    def request(self) -> bytes:
        return build(
            "CompleteMultipartUpload",
            (("Part", (("PartNumber", str(part.number)), ("ETag", f'"{unquoted(part.etag)}"'))) for part in self.parts),
        )

    def check_size(self, found: Stored) -> None:
        if found.size != self._size:
            raise Corrupt(f"the joined object has {found.size} bytes, its parts {self._size}")


async def _ask_of(sender: Sender, ask: Ask) -> Answer:
    """Ask about an open upload. When there is none, Ceph says at times that the object is missing."""
    try:
        return await sender.ask(ask)
    except ObjectMissing as error:
        raise _ended() from error


async def _join(sender: Sender, place: Place, parts_id: str, joined: _Joined) -> str:
    """One try; the ETag that the server claims, "" when it claims none."""
    body = joined.request()
    ask = Ask(
        "POST",
        place.bucket,
        place.key,
        (("uploadId", parts_id),),
        (("content-type", "application/xml"),),
        body,
        answer_within=_JOINING,
        once=True,
    )
    answer = await _ask_of(sender, ask)
    return unquoted(parse_root(answer.body, "CompleteMultipartUploadResult").find("ETag") or "")


async def _seen(sender: Sender, place: Place, joined: _Joined, etag: str) -> Stored:
    """Look at the object that the server says it made; some show it only a moment later."""
    tries = sender.backoff.begin(sender.clock.ticks() + _JOINING)
    while True:
        found = await find_object(sender, place)
        if found is not None and (found.etag == etag if etag else joined.made(found)):
            joined.check_size(found)
            return found
        await tries.again(StoreUnavailable("the object store does not show the object that it says it joined"))


def _ended() -> UploadMissing:
    return UploadMissing("this multipart upload has ended or never was")
