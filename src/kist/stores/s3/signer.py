"""AWS Signature Version 4 for S3: pure computation on the standard library.

Three uses: headers (our own requests), query (what a browser may ask for) and policy (what a form may post).
The signing key depends on the day only, so it is made once a day and not once a request.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

from kist.errors import Invalid
from kist.stores.s3.address import Address

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = sha256(b"").hexdigest()

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key. ``token`` and ``expires_at`` belong to temporary ones."""

    key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class Signer:
    """Signs for one credential in one region."""

    def __init__(self, credential: Credential, region: str) -> None:
        self.credential = credential
        self._region = region
        self._moment: _Moment | None = None
        token = credential.token
        self._token_query = "" if token is None else f"&X-Amz-Security-Token={quote(token, safe='')}"

    def headers(
        self, method: str, address: Address, query: str, headers: Pairs, payload: str, now: datetime
    ) -> dict[str, str]:
        """All headers of a signed request, with lower-case names; ``host`` is left to the HTTP client.

        ``query`` is encoded (``encode_query``). ``payload`` is the SHA-256 of the body in hex, or ``UNSIGNED``.
        """
        moment = self._at(now)
        signed = _trimmed(headers)
        signed["host"] = address.host
        signed["x-amz-content-sha256"] = payload
        signed["x-amz-date"] = moment.stamp
        if self.credential.token is not None:
            signed["x-amz-security-token"] = self.credential.token
        names, lines = _canonical_headers(signed)
        canonical = f"{method}\n{address.path}\n{query}\n{lines}\n{names}\n{payload}"
        signature = _signature(moment, canonical)
        del signed["host"]
        credential = f"{self.credential.key}/{moment.day.scope}"
        signed["authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return signed

    def url(self, method: str, address: Address, query: Pairs, headers: Pairs, seconds: int, now: datetime) -> str:
        """A presigned URL. The holder must send exactly ``headers``; the body is not part of the signature.

        ``Invalid`` when a header is named twice, or is Host, which the client sets.
        """
        moment = self._at(now)
        signed = _trimmed(headers)
        if len(signed) != len(headers) or "host" in signed:
            raise Invalid("a header to be signed is named twice, or is Host")
        signed["host"] = address.host
        names, lines = _canonical_headers(signed)
        # In the order of the names, as the signature wants them; so do the ones of the caller follow.
        text = (
            f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={moment.day.query}&X-Amz-Date={moment.stamp}&X-Amz-Expires={seconds}"
            f"{self._token_query}&X-Amz-SignedHeaders={_quoted(names)}"
        )
        if query:
            text = sort_query(f"{text}&{encode_query(query)}")
        canonical = f"{method}\n{address.path}\n{text}\n{lines}\n{names}\n{UNSIGNED}"
        return f"{address.url(text)}&X-Amz-Signature={_signature(moment, canonical)}"

    def form(self, conditions: Iterable[Any], expires_at: datetime, now: datetime) -> dict[str, str]:
        """The fields that make a POST form valid: the policy with ``conditions``, and its signature."""
        moment = self._at(now)
        fields = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": f"{self.credential.key}/{moment.day.scope}",
            "x-amz-date": moment.stamp,
        }
        if self.credential.token is not None:
            fields["x-amz-security-token"] = self.credential.token
        policy = {
            "expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [*conditions, *({name: value} for name, value in fields.items())],
        }
        encoded = b64encode(json.dumps(policy).encode()).decode()
        return {**fields, "policy": encoded, "x-amz-signature": moment.day.key.hex(encoded)}

    def second(self, now: datetime) -> datetime:
        """The beginning of the second that ``now`` lies in: signatures count from there."""
        return self._at(now).second

    def _at(self, now: datetime) -> _Moment:
        known = self._moment
        unix = int(now.timestamp())
        if known is None or known.unix != unix:
            stamp = now.strftime("%Y%m%dT%H%M%SZ")
            day = known.day if known is not None and known.day.name == stamp[:8] else self._day(stamp[:8])
            # Replaced as one value, so that no other thread sees half of it.
            self._moment = known = _Moment(unix, now.replace(microsecond=0), stamp, day)
        return known

    def _day(self, day: str) -> _Day:
        key = f"AWS4{self.credential.secret}".encode()
        for step in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        scope = f"{day}/{self._region}/s3/aws4_request"
        return _Day(day, scope, quote(f"{self.credential.key}/{scope}", safe=""), _Key(key))


class _Key:
    """HMAC-SHA256 (RFC 2104) with the key already fed in: a third of the time of ``hmac.digest``."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def hex(self, text: str) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


class _Day(NamedTuple):
    """What stays the same for a day: the scope, the encoded credential for queries, and the signing key."""

    name: str
    scope: str
    query: str
    key: _Key


class _Moment(NamedTuple):
    """What stays the same for a second."""

    unix: int
    second: datetime
    stamp: str
    day: _Day


def encode_query(pairs: Pairs) -> str:
    """A query string as S3 encodes and sorts it when it checks the signature."""
    return sort_query("&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]))


def sort_query(query: str) -> str:
    """An encoded query in the order of names, then values."""
    if "&" not in query:
        return query
    return "&".join(["=".join(pair) for pair in sorted([item.split("=", 1) for item in query.split("&")])])


def _trimmed(headers: Pairs) -> dict[str, str]:
    return {name.lower(): " ".join(value.split()) for name, value in headers}


def _canonical_headers(signed: Mapping[str, str]) -> tuple[str, str]:
    names = sorted(signed)
    return ";".join(names), "".join([f"{name}:{signed[name]}\n" for name in names])


@lru_cache(256)
def _quoted(names: str) -> str:
    return quote(names, safe="")


def _signature(moment: _Moment, canonical: str) -> str:
    digest = sha256(canonical.encode()).hexdigest()
    return moment.day.key.hex(f"{ALGORITHM}\n{moment.stamp}\n{moment.day.scope}\n{digest}")
