"""What a backend was seen to hold to, and which ways of a ticket are open because of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from kist.model.upload import Way


class Check(StrEnum):
    """One question that the probe asks a backend. ``held`` is always the safe answer."""

    WRONG_SIGNATURE = "wrong_signature"
    OTHER_KEY = "other_key"
    OTHER_METHOD = "other_method"
    EXPIRED_URL = "expired_url"
    SIGNED_LENGTH = "signed_length"
    SIGNED_TYPE = "signed_type"
    SIGNED_MD5 = "signed_md5"
    SIGNED_ACL = "signed_acl"
    PUT_COPY_SOURCE = "put_copy_source"
    PUT_ACL = "put_acl"
    PUT_WORKS = "put_works"
    PART_WORKS = "part_works"
    PART_LENGTH = "part_length"
    PART_COPY_SOURCE = "part_copy_source"
    FORM_WORKS = "form_works"
    FORM_SIGNATURE = "form_signature"
    FORM_SIZE = "form_size"
    FORM_KEY = "form_key"
    FORM_TYPE = "form_type"
    FORM_ACL = "form_acl"
    FORM_EXTRA_FIELD = "form_extra_field"
    FORM_EXPIRED = "form_expired"
    SEALING = "sealing"
    PRIVATE_ACL = "private_acl"
    CHECKSUM_SHA256 = "checksum_sha256"
    CORS = "cors"
    ETAG_EXPOSED = "etag_exposed"
    CLOCK = "clock"


HELD = ""
"""What ``Profile.checks`` says of a check that was passed; else it says in words what happened instead."""

_EVERY = {Check.WRONG_SIGNATURE, Check.OTHER_KEY, Check.SEALING}

NEEDED: dict[Way, frozenset[Check]] = {
    Way.FORM: frozenset(
        _EVERY
        | {
            Check.FORM_WORKS,
            Check.FORM_SIGNATURE,
            Check.FORM_SIZE,
            Check.FORM_KEY,
            Check.FORM_TYPE,
            Check.FORM_ACL,
            Check.FORM_EXTRA_FIELD,
            Check.FORM_EXPIRED,
        }
    ),
    Way.PUT: frozenset(
        _EVERY
        | {
            Check.OTHER_METHOD,
            Check.EXPIRED_URL,
            Check.PUT_WORKS,
            Check.SIGNED_LENGTH,
            Check.SIGNED_TYPE,
            Check.SIGNED_ACL,
            Check.PUT_COPY_SOURCE,
        }
    ),
    Way.PARTS: frozenset(
        _EVERY
        | {
            Check.OTHER_METHOD,
            Check.EXPIRED_URL,
            Check.PART_WORKS,
            Check.PART_LENGTH,
            Check.PART_COPY_SOURCE,
        }
    ),
}
"""Which checks a way needs: one that failed, or was never asked, switches the way off. The others only inform."""

NEEDED_PLAIN = (NEEDED[Way.PUT] - {Check.SIGNED_LENGTH, Check.SIGNED_TYPE, Check.SIGNED_ACL}) | {Check.PRIVATE_ACL}
"""The same for a PUT that signs no header: the main key has to be able to read what comes without an ACL."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe found. ``id`` names endpoint, bucket and signing key; ``checks`` has one entry for each ``Check``.

    An entry is ``HELD``, or says in a few words what the backend did instead.
    """

    id: str
    bucket: str
    checked_at: datetime
    checks: dict[str, str]

    def failed(self, way: Way, *, plain: bool = False) -> tuple[str, ...]:
        """The checks that keep ``way`` shut, in the order of ``Check``; empty when it is open. ``plain``: of a PUT."""
        needed = NEEDED_PLAIN if plain else NEEDED[way]
        missing = {check for check in needed if self.checks.get(check) != HELD}
        return tuple(check.value for check in Check if check in missing) if missing else ()

    @property
    def acl(self) -> str:
        """The canned ACL that this bucket takes on a private object."""
        return "private" if self.checks.get(Check.PRIVATE_ACL) == HELD else "bucket-owner-full-control"
