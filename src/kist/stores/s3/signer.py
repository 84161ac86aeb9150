"""AWS Signature Version 4 for S3: pure computation on the standard library.

Three uses: headers (our own requests), query (what a browser may ask for) and policy (what a form may post).
The signing key depends on the day only, so it is made once a day and not once a request.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from kist.stores.s3.address import Address

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = sha256(b"").hexdigest()

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key. ``token`` and ``expires_at`` belong to temporary ones."""

    key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


def encode_query(pairs: Pairs) -> str:
    """A query string in the order given, encoded as S3 encodes it when it checks the signature."""
    return "&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs])


class Signer:
    """Signs for one credential in one region."""

    def __init__(self, credential: Credential, region: str) -> None:
        self.credential = credential
        self._scope_end = f"{region}/s3/aws4_request"
        self._region = region
        self._day = ""
        self._day_key = b""

    def headers(
        self, method: str, address: Address, query: str, headers: Pairs, payload: str, now: datetime
    ) -> dict[str, str]:
        """All headers of a signed request, with lower-case names; ``host`` is left to the HTTP client.

        ``query`` is encoded (``encode_query``). ``payload`` is the SHA-256 of the body in hex, or ``UNSIGNED``.
        """
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        signed = _trimmed(headers)
        signed["host"] = address.host
        signed["x-amz-content-sha256"] = payload
        signed["x-amz-date"] = stamp
        if self.credential.token is not None:
            signed["x-amz-security-token"] = self.credential.token
        names, lines = _canonical_headers(signed)
        scope = f"{stamp[:8]}/{self._scope_end}"
        canonical = f"{method}\n{address.path}\n{_sorted_query(query)}\n{lines}\n{names}\n{payload}"
        signature = self._signature(_to_sign(stamp, scope, canonical), stamp)
        del signed["host"]
        signed["authorization"] = (
            f"{ALGORITHM} Credential={self.credential.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def url(self, method: str, address: Address, query: Pairs, headers: Pairs, seconds: int, now: datetime) -> str:
        """A presigned URL. The holder must send exactly ``headers``; the body is not part of the signature."""
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        signed = _trimmed(headers)
        signed["host"] = address.host
        names, lines = _canonical_headers(signed)
        scope = f"{stamp[:8]}/{self._scope_end}"
        text = encode_query(
            [
                *query,
                ("X-Amz-Algorithm", ALGORITHM),
                ("X-Amz-Credential", f"{self.credential.key}/{scope}"),
                ("X-Amz-Date", stamp),
                ("X-Amz-Expires", str(seconds)),
                ("X-Amz-SignedHeaders", names),
                *self._token_parameter(),
            ]
        )
        canonical = f"{method}\n{address.path}\n{_sorted_query(text)}\n{lines}\n{names}\n{UNSIGNED}"
        signature = self._signature(_to_sign(stamp, scope, canonical), stamp)
        return f"{address.url(text)}&X-Amz-Signature={signature}"

    def form(self, conditions: Iterable[Any], expires_at: datetime, now: datetime) -> dict[str, str]:
        """The fields that make a POST form valid: the policy with ``conditions``, and its signature."""
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        fields = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": f"{self.credential.key}/{stamp[:8]}/{self._scope_end}",
            "x-amz-date": stamp,
        }
        if self.credential.token is not None:
            fields["x-amz-security-token"] = self.credential.token
        policy = {
            "expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [*conditions, *({name: value} for name, value in fields.items())],
        }
        encoded = b64encode(json.dumps(policy).encode()).decode()
        return {**fields, "policy": encoded, "x-amz-signature": self._signature(encoded, stamp)}

    def _token_parameter(self) -> list[tuple[str, str]]:
        token = self.credential.token
        return [] if token is None else [("X-Amz-Security-Token", token)]

    def _signature(self, text: str, stamp: str) -> str:
        return hmac.digest(self._key(stamp[:8]), text.encode(), "sha256").hex()

    def _key(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self.credential.secret}".encode()
            for step in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, step.encode(), "sha256")
            # Key before day: another thread that sees the day must also see its key.
            self._day_key = key
            self._day = day
            return key
        return self._day_key


def _trimmed(headers: Pairs) -> dict[str, str]:
    return {name.lower(): " ".join(value.split()) for name, value in headers}


def _canonical_headers(signed: Mapping[str, str]) -> tuple[str, str]:
    names = sorted(signed)
    return ";".join(names), "".join([f"{name}:{signed[name]}\n" for name in names])


def _sorted_query(query: str) -> str:
    if "&" not in query:
        return query
    return "&".join(["=".join(pair) for pair in sorted(tuple(item.split("=", 1)) for item in query.split("&"))])


def _to_sign(stamp: str, scope: str, canonical: str) -> str:
    return f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
