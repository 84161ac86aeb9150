"""What the headers of a request declare about its body."""

from __future__ import annotations

import base64
import binascii
import re
from email.message import Message

from kist.errors import BadChecksum, BadName
from kist.wire.call import Call

_SHA256 = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]*):", re.ASCII)
_DIGEST_SIZE = 32


def declared_sha256(call: Call) -> str | None:
    """The SHA-256 that ``Content-Digest`` or ``Repr-Digest`` declares (RFC 9530), in lower-case hex; None if none.

    ``BadChecksum`` when it is there and cannot be one.
    """
    header = call.headers.get("content-digest") or call.headers.get("repr-digest")
    match = _SHA256.search(header) if header else None
    if match is None:
        return None
    try:
        digest = base64.b64decode(match[1], validate=True)
    except binascii.Error as error:
        raise BadChecksum("Content-Digest: sha-256 must be the base64 of 32 bytes between colons") from error
    if len(digest) != _DIGEST_SIZE:
        raise BadChecksum("Content-Digest: sha-256 must be the base64 of 32 bytes between colons")
    return digest.hex()


def declared_name(call: Call) -> str | None:
    """The file name in ``Content-Disposition`` (RFC 6266), None if none. ``BadName`` when it cannot be decoded."""
    header = call.headers.get("content-disposition")
    if header is None:
        return None
    message = Message()
    message["content-disposition"] = header.encode("latin-1").decode("utf-8", "replace")
    try:
        return message.get_filename()
    except ValueError as error:  # a character set that Python knows and that refuses
        raise BadName("the file name in Content-Disposition cannot be decoded: write it in UTF-8") from error
