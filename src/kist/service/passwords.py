"""Passwords of links: kept as a slow hash (RFC 7914), since people choose them."""

from __future__ import annotations

import hashlib
import hmac

from kist.errors import Invalid

MAX_CHARACTERS = 200

# 4 MiB and some 15 ms: what one try may cost while others wait for the same processor. Tries are counted.
_COST = {"n": 2**12, "r": 8, "p": 1, "maxmem": 16 << 20}


def hashed(password: str, salt: str) -> str:
    """What is kept of ``password``. ``salt`` is random hex."""
    if not 1 <= len(password) <= MAX_CHARACTERS:
        raise Invalid(f"a password has 1 to {MAX_CHARACTERS} characters", limit=MAX_CHARACTERS)
    return f"{salt}:{_hash(password, salt)}"


def matches(password: str, kept: str) -> bool:
    """Whether ``kept`` was made of ``password``."""
    salt, _, digest = kept.partition(":")
    return len(password) <= MAX_CHARACTERS and hmac.compare_digest(_hash(password, salt), digest)


def _hash(password: str, salt: str) -> str:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=bytes.fromhex(salt), dklen=32, **_COST).hex()
