"""What browsers are given: requests and forms that need no credentials, signed with the restricted key.

A restricted key may only write, so what reads is signed with the main one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kist.model.content import FormLimits, SignedForm, SignedRequest
from kist.model.place import Place
from kist.model.signatures import check_form, check_query, whole_seconds
from kist.ports.system import Clock
from kist.stores.s3.address import Addresses
from kist.stores.s3.identity import Identity
from kist.stores.s3.signer import Signer

_READS = ("GET", "HEAD")


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
        seconds = whole_seconds(expires)
        check_query(query)
        signer = (self._reading if method in _READS else self._writing).signer()
        now = since or self._clock.now()
        url = signer.url(method, self.addresses.of(place.bucket, place.key), query, headers, seconds, now)
        return SignedRequest(method=method, url=url, headers=tuple(headers), expires_at=_end(signer, now, seconds))

    def form(
        self, place: Place, expires: timedelta, limits: FormLimits, *, since: datetime | None = None
    ) -> SignedForm:
        check_form(place, limits)
        signer, now = self._writing.signer(), since or self._clock.now()
        end = _end(signer, now, whole_seconds(expires))
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


def _end(signer: Signer, now: datetime, seconds: int) -> datetime:
    """Signatures by temporary keys end with them."""
    end = signer.second(now) + timedelta(seconds=seconds)
    key_ends = signer.credential.expires_at
    return end if key_ends is None else min(end, key_ends)
