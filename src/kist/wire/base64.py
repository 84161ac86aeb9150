"""The base64 door: a file inside JSON, strict in what it takes (T52)."""

from __future__ import annotations

import binascii
import re

import msgspec

from kist.errors import Invalid
from kist.wire.body import too_large
from kist.wire.call import Call
from kist.wire.decoding import decode_body

MAX_DECODED = 10 << 20
_ROOM_FOR_JSON = 4096
_DATA_URL = re.compile(r"data:([\w/+.-]*)(?:;[^;,]+)*;base64,", re.ASCII)


class Base64File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON body: ``content`` is standard base64 with padding, optionally behind ``data:<type>;base64,``.

    Browsers write parameters between the two, such as a character set; they say nothing of the bytes.
    """

    name: str
    content: str
    type: str | None = None
    bucket: str | None = None


class Decoded(msgspec.Struct, frozen=True):
    """Bytes, and the type that a data URL gave them."""

    content: bytes
    type: str | None


def body_cap(limit: int = MAX_DECODED) -> int:
    """How large a body may be whose content has ``limit`` bytes."""
    return -(-limit // 3) * 4 + _ROOM_FOR_JSON


async def read_base64(call: Call, *, limit: int = MAX_DECODED) -> tuple[Base64File, Decoded]:
    """The body's fields and the decoded content, of ``limit`` bytes at most."""
    fields = await decode_body(call, Base64File, limit=body_cap(limit))
    return fields, decode_base64(fields.content, limit=limit)


def decode_base64(text: str, *, limit: int = MAX_DECODED) -> Decoded:
    """Decode ``text``, or raise ``Invalid``: other alphabets, line breaks and wrong padding are not taken."""
    prefix = _DATA_URL.match(text)
    encoded = text[prefix.end() :] if prefix else text
    if len(encoded) > body_cap(limit) - _ROOM_FOR_JSON:
        raise too_large(limit)
    if len(encoded) % 4 or encoded.endswith("==="):  # Python 3.11 lets more padding than two pass
        raise _not_base64()
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise _not_base64() from error
    if len(content) > limit:
        raise too_large(limit)
    return Decoded(content, (prefix[1] or None) if prefix else None)


def _not_base64() -> Invalid:
    return Invalid("the content is not valid base64: use the standard alphabet, padding, no line breaks")
