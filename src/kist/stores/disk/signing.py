"""Signed requests that lead to Kist itself: a token says what is allowed and carries its own proof.

A token is the msgpack of a ``Grant`` and its HMAC-SHA256, both in base64url without padding, with a dot between.
Nothing is kept: whoever has the secret can verify. The dialect ``door`` answers such requests.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from kist.errors import Expired, Misconfigured, NotAllowed
from kist.model.content import FormLimits, SignedForm, SignedRequest
from kist.model.grant import Grant
from kist.model.place import Place
from kist.model.signatures import check_form, check_query, whole_seconds
from kist.ports.system import Clock

SHORTEST_SECRET = 32
"""Bytes: as many as the signature has."""
_PURPOSE = b"kist door"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Grant).decode


class Signing:
    """Signs and verifies with a key made from ``secret``, for requests to ``public_url`` (or to what it returns).

    Without a secret of 32 bytes nothing is signed and nothing verified: ``Misconfigured``.
    """

    def __init__(self, secret: bytes, public_url: str | Callable[[], str], clock: Clock) -> None:
        # The secret may sign other things elsewhere: a token of theirs is none of ours.
        self._key = hmac.digest(secret, _PURPOSE, "sha256") if len(secret) >= SHORTEST_SECRET else None
        self._public_url = public_url
        self._clock = clock

    def request(
        self,
        method: str,
        place: Place,
        expires: timedelta,
        *,
        headers: Sequence[tuple[str, str]],
        query: Sequence[tuple[str, str]],
        since: datetime | None,
    ) -> SignedRequest:
        seconds = whole_seconds(expires)
        check_query(query)
        end = _end(since or self._clock.now(), seconds)
        signed = tuple((name.lower(), value) for name, value in headers)
        grant = Grant(method=method, place=place, expires_at=end, headers=signed, query=tuple(query))
        url = f"{self._url()}/{self._token(grant)}"
        return SignedRequest(method=method, url=url, headers=tuple(headers), expires_at=end)

    def form(self, place: Place, expires: timedelta, limits: FormLimits) -> SignedForm:
        check_form(place, limits)
        end = _end(self._clock.now(), whole_seconds(expires))
        token = self._token(Grant(method="POST", place=place, expires_at=end, form=limits))
        return SignedForm(
            url=self._url(), fields=(("key", place.key), *limits.fields, ("policy", token)), expires_at=end
        )  # fmt: skip

    def verify(self, token: str) -> Grant:
        text, _, proof = token.encode("utf-8", "replace").rpartition(b".")
        if not hmac.compare_digest(self._proof(text), proof):
            raise NotAllowed("the signature of this request is not valid")
        try:
            grant = _decode(base64.b64decode(_padded(text), b"-_", validate=True))
        except ValueError as error:  # signed by a Kist that wrote its grants in another form
            raise NotAllowed("the signature of this request is not valid") from error
        if self._clock.now() >= grant.expires_at:
            raise Expired("Request has expired")
        return grant

    def _url(self) -> str:
        public = self._public_url if isinstance(self._public_url, str) else self._public_url()
        if not public:
            raise Misconfigured("KIST_PUBLIC_URL: signed URLs begin with the address of this server, set it")
        return public.rstrip("/") + "/door"

    def _token(self, grant: Grant) -> str:
        text = _text(_encode(grant))
        return f"{text.decode()}.{self._proof(text).decode()}"

    def _proof(self, text: bytes) -> bytes:
        """Of the text, not of what it decodes to: no second spelling of a token is valid."""
        if self._key is None:
            raise Misconfigured(f"nothing can be signed without a secret of {SHORTEST_SECRET} bytes or more")
        return _text(hmac.digest(self._key, text, "sha256"))


def _end(since: datetime, seconds: int) -> datetime:
    """Counted in whole seconds, so that one question gets one answer for a while."""
    return since.replace(microsecond=0) + timedelta(seconds=seconds)


def _text(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _padded(text: bytes) -> bytes:
    return text + b"=" * (-len(text) % 4)
