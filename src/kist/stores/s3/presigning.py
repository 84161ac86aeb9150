"""What browsers are given: requests and forms that need no credentials, signed with the restricted key.

A restricted key may only write, so what reads is signed with the main one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kist.errors import Invalid
from kist.model.content import FormLimits, SignedForm, SignedRequest
from kist.model.place import Place
from kist.ports.system import Clock
from kist.stores.s3.address import Addresses
from kist.stores.s3.identity import Identity
from kist.stores.s3.signer import Signer

_READS = ("GET", "HEAD")
_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(days=7)


class Presigner:
    """Signs for the public endpoint. Never sends anything."""

    def __init__(self, addresses: Addresses, reading: Identity, writing: Identity, clock: Clock) -> None:
        self.addresses = addresses
        self._reading = reading
        self._writing = writing
        self._clock = clock

    @property
    def writing_key(self) -> str:
        """The id of the key that signs what writes."""
        return self._writing.signer().credential.key

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
        seconds = _seconds(expires)
        if query and any(name.lower().startswith("x-amz-") for name, _ in query):
            raise Invalid("query parameters that begin with x-amz- belong to the signature")
        signer = (self._reading if method in _READS else self._writing).signer()
        now = since or self._clock.now()
        url = signer.url(method, self.addresses.of(place.bucket, place.key), query, headers, seconds, now)
        return SignedRequest(method=method, url=url, headers=tuple(headers), expires_at=_end(signer, now, seconds))

    def form(
        self, place: Place, expires: timedelta, limits: FormLimits, *, since: datetime | None = None
    ) -> SignedForm:
        if "${" in place.key:
            raise Invalid("a form cannot upload to a key with ${: stores would replace it by the file's name")
        _check_fields(limits)
        signer, now = self._writing.signer(), since or self._clock.now()
        end = _end(signer, now, _seconds(expires))
        conditions = [
            {"bucket": place.bucket},
            ["eq", "$key", place.key],
            *(["eq", f"${name}", value] for name, value in limits.fields),
            ["content-length-range", limits.min_size, limits.max_size],
        ]
        signed = signer.form(conditions, end, now)
        return SignedForm(
            url=self.addresses.of(place.bucket).url(),
            fields=(("key", place.key), *limits.fields, *signed.items()),
            expires_at=end,
        )


def _seconds(expires: timedelta) -> int:
    if not _SHORTEST <= expires <= _LONGEST:
        raise Invalid("a signature is valid for 1 second to 7 days")
    return int(expires.total_seconds())


def _end(signer: Signer, now: datetime, seconds: int) -> datetime:
    """Signatures by temporary keys end with them."""
    end = signer.second(now) + timedelta(seconds=seconds)
    key_ends = signer.credential.expires_at
    return end if key_ends is None else min(end, key_ends)


def _check_fields(limits: FormLimits) -> None:
    """Fields must be exact: none of the signature's own, none twice, none that a store would fill in."""
    names = [name.lower() for name, _ in limits.fields]
    own = {"key", "bucket", "policy", "file", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}
    if len(set(names)) != len(names) or own & set(names) or "x-amz-security-token" in names:
        raise Invalid("a form field is named twice or belongs to the signature")
    if any("${" in value for _, value in limits.fields):
        raise Invalid("a form field cannot hold ${: stores would replace it")
    if not 0 <= limits.min_size <= limits.max_size:
        raise Invalid("the sizes that a form allows must be from 0 up, the smaller first")
