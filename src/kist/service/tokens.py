"""The tokens of links: the id and a code that only the secret can make, so that no token need be kept."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from functools import lru_cache

from kist.errors import LinkMissing, Misconfigured

SHORTEST_SECRET = 32
_CODE = 16
_ID = 16


def link_token(secret: bytes, link_id: str) -> str:
    """The token of the link with this id (a UUID): 43 characters, 128 bits of them a code."""
    raw = bytes.fromhex(link_id.replace("-", ""))
    return urlsafe_b64encode(raw + _code(secret, raw)).decode().rstrip("=")


def link_id(secret: bytes, token: str) -> str:
    """The id of the link whose token this is. ``LinkMissing`` for every other text, a second spelling included."""
    try:
        text = token.encode("ascii")
        raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (UnicodeError, Error) as error:
        raise LinkMissing("there is no such link") from error
    # The decoder passes over what is not of its alphabet, and over the last bits: only what it came from is a token.
    if len(raw) != _ID + _CODE or urlsafe_b64encode(raw).rstrip(b"=") != text:
        raise LinkMissing("there is no such link")
    identity, code = raw[:_ID], raw[_ID:]
    if not hmac.compare_digest(code, _code(secret, identity)):
        raise LinkMissing("there is no such link")
    digits = identity.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _code(secret: bytes, raw: bytes) -> bytes:
    keyed = _keyed(secret).copy()
    keyed.update(raw)
    return keyed.digest()[:_CODE]


@lru_cache(maxsize=8)
def _keyed(secret: bytes) -> hmac.HMAC:
    """With the key already fed in, to be copied: half of the time of ``hmac.digest``."""
    if len(secret) < SHORTEST_SECRET:
        raise Misconfigured(f"KIST_SECRET must have at least {SHORTEST_SECRET} bytes")
    return hmac.new(hmac.digest(secret, b"kist links", "sha256"), digestmod="sha256")
