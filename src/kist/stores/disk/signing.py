"""Signed requests to Kist itself: what S3 would sign into a URL or a form stands in one token, with a code.

A token is the grant in MessagePack and a code over it (HMAC-SHA256), both in the URL-safe alphabet. Nothing is kept:
whoever holds the secret can tell whether a token is genuine, and what it allows.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from kist.errors import Expired, KistError, Misconfigured, NotAllowed
from kist.model.content import FormLimits, SignedForm, SignedRequest
from kist.model.grant import Grant
from kist.model.place import Place
from kist.model.signing import check_form, whole_seconds
from kist.ports.system import Clock

SHORTEST_SECRET = 32
PATH = "/door"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Grant).decode


class DoorSigner:
    """Signs and verifies with one secret, for the address ``public_url``."""

    def __init__(self, secret: bytes, public_url: str, clock: Clock) -> None:
        self._key = hmac.digest(secret, b"kist door", "sha256") if len(secret) >= SHORTEST_SECRET else None
        self._url = f"{public_url}{PATH}"
        self._clock = clock

    def sign(
        self,
        method: str,
        place: Place,
        expires: timedelta,
        *,
        headers: Sequence[tuple[str, str]],
        query: Sequence[tuple[str, str]],
        since: datetime | None,
    ) -> SignedRequest:
        """See ``Signs.sign``."""
        end = self._end(expires, since)
        lowered = tuple((name.lower(), value) for name, value in headers)
        grant = Grant(method=method, place=place, expires_at=end, headers=lowered, query=tuple(query))
        url = f"{self._url}/{self._token(grant)}"
        return SignedRequest(method=method, url=url, headers=tuple(headers), expires_at=end)

    def sign_form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        """See ``Signs.sign_form``. The token is the field ``policy``."""
        check_form(place, limits)
        end = self._end(expires, None)
        token = self._token(Grant(method="POST", place=place, expires_at=end, form=limits))
        return SignedForm(url=self._url, fields=(("key", place.key), *limits.fields, ("policy", token)), expires_at=end)

    def verify(self, token: str) -> Grant:
        """See ``Receives.verify``."""
        text, _, code = token.partition(".")
        if not hmac.compare_digest(self._code(text).encode(), code.encode("utf-8", "surrogatepass")):
            raise NotAllowed("this address was not signed here")
        try:
            grant = _decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (Error, ValueError, msgspec.DecodeError, KistError) as error:
            raise NotAllowed("this address was not signed here") from error
        if grant.expires_at <= self._clock.now():
            raise Expired("this address has expired: ask for a new one")
        return grant

    def _token(self, grant: Grant) -> str:
        text = urlsafe_b64encode(_encode(grant)).decode().rstrip("=")
        return f"{text}.{self._code(text)}"

    def _code(self, text: str) -> str:
        if self._key is None:
            raise Misconfigured(f"KIST_SECRET must have at least {SHORTEST_SECRET} bytes for signed addresses")
        digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def _end(self, expires: timedelta, since: datetime | None) -> datetime:
        return (since or self._clock.now()).replace(microsecond=0) + timedelta(seconds=whole_seconds(expires))
