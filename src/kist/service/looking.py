"""Look at a sealed object before it is believed: size, first bytes, and digests where these were declared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kist.errors import BadChecksum, Invalid, TooLarge, UploadRefused
from kist.model.content import Span, Stored
from kist.model.upload import Upload
from kist.service.arrival import HEAD_SIZE
from kist.service.incoming import check_detected
from kist.service.ports import Ports


@dataclass(frozen=True)
class Seen:
    """What was seen: the object, the type of its first bytes, and its sha256 where all of them were read."""

    stored: Stored
    detected: str | None
    sha256: str | None


async def look(ports: Ports, upload: Upload, stored: Stored) -> Seen:
    """Judge the object that ``upload`` has brought. ``UploadRefused`` with the rule that it breaks as reason."""
    try:
        if stored.size > upload.max_size:
            raise TooLarge(f"the file has {stored.size} bytes, at most {upload.max_size} are allowed here")
        if upload.size is not None and stored.size != upload.size:
            raise UploadRefused(f"{stored.size} bytes came, {upload.size} were declared", reason="wrong_size")
        head, sha256 = await _read(ports, upload, stored)
        detected = ports.detect(head)
        check_detected(ports.limits, upload.type, detected)
    except Invalid as error:
        raise UploadRefused(error.message, reason=error.code) from error
    return Seen(stored, detected, sha256)


async def _read(ports: Ports, upload: Upload, stored: Stored) -> tuple[bytes, str | None]:
    """The first bytes, and the sha256 where the whole had to be read. ``BadChecksum``."""
    # An ETag that is the declared MD5 proves the bytes: the store has computed it, and nobody can have guessed it.
    proven = upload.md5 is None or stored.etag == upload.md5
    whole = upload.sha256 is not None or not proven
    span = None if whole or stored.size <= HEAD_SIZE else Span(0, HEAD_SIZE)
    if stored.size == 0:
        head, sha256, md5 = b"", hashlib.sha256().hexdigest(), hashlib.md5(usedforsecurity=False).hexdigest()
    else:
        head, sha256, md5 = await _digests(ports, stored, span)
    if span is not None:
        return head, None
    if upload.sha256 not in (None, sha256):
        raise BadChecksum("the bytes do not have the declared sha256: send them again")
    if upload.md5 not in (None, md5):
        raise BadChecksum("the bytes do not have the declared md5: send them again")
    return head, sha256


async def _digests(ports: Ports, stored: Stored, span: Span | None) -> tuple[bytes, str, str]:
    sha256, md5, head = hashlib.sha256(), hashlib.md5(usedforsecurity=False), b""
    opened = await ports.store.open(stored.place, span)
    try:
        async for block in opened.body:
            if len(head) < HEAD_SIZE:
                head += block[: HEAD_SIZE - len(head)]
            sha256.update(block)
            md5.update(block)
    finally:
        await opened.close()
    return head, sha256.hexdigest(), md5.hexdigest()
