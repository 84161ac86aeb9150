"""What S3's refusals mean for Kist, each with a plain sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from kist.errors import (
    AlreadyThere,
    BadName,
    BadRange,
    BucketMissing,
    BucketNotEmpty,
    ClockSkew,
    EndpointRedirects,
    Incomplete,
    KistError,
    Misconfigured,
    ObjectMissing,
    Stale,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    TooLarge,
    Unsupported,
    UploadMissing,
)
from kist.stores.s3.settings import OWN, Names
from kist.stores.s3.xml import Node, parse

_SKEW_LIMIT = 900  # seconds: what S3 servers allow

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_REGION = re.compile(r"[a-z0-9-]{1,32}")

_TRY_LATER = "the object store is overloaded or has an error of its own"
_REFUSED = "the object store refused {what}: "

_MEANINGS: dict[str, tuple[type[KistError], str]] = {
    "NoSuchKey": (ObjectMissing, "there is no such object"),
    "NoSuchBucket": (BucketMissing, "there is no such bucket in the object store"),
    "NoSuchUpload": (UploadMissing, "this multipart upload has ended or never was"),
    "NoSuchCORSConfiguration": (ObjectMissing, "the bucket has no CORS rules"),
    "InvalidPart": (Incomplete, "a part of this upload has not arrived, or is another one than was named"),
    "InvalidPartOrder": (Incomplete, "the parts are out of order"),
    "EntityTooSmall": (Incomplete, "a part other than the last one is smaller than the 5 MiB that S3 asks for"),
    "EntityTooLarge": (TooLarge, "the object store does not take objects of this size"),
    "InvalidRange": (BadRange, "the range lies outside the content"),
    "PreconditionFailed": (Stale, "the object is no longer the one that was asked for"),
    "BucketAlreadyOwnedByYou": (AlreadyThere, "this bucket exists already"),
    "BucketAlreadyExists": (AlreadyThere, "this bucket exists already, it may belong to somebody else"),
    "BucketNotEmpty": (BucketNotEmpty, "the bucket still holds objects"),
    "InvalidBucketName": (BadName, "the object store does not take this bucket name"),
    "KeyTooLongError": (BadName, "the object store does not take a key of this length"),
    "InvalidLocationConstraint": (
        Misconfigured,
        "the object store does not know the region in the settings: mend region=… in {names.place}",
    ),
    "TooManyBuckets": (StoreRefused, "this account may not make more buckets: ask the provider for a higher limit"),
    "AccessDenied": (StoreRefused, _REFUSED + "give its access key the right to do that, or use another key"),
    "InvalidAccessKeyId": (StoreRefused, _REFUSED + "it does not know the access key: check {names.key}"),
    "SignatureDoesNotMatch": (StoreRefused, _REFUSED + "the secret is not the key's: check {names.secret}"),
    "ExpiredToken": (StoreRefused, _REFUSED + "the session token has expired: renew {names.token}"),
    "InvalidToken": (StoreRefused, _REFUSED + "the session token is not valid: check {names.token}"),
    "NotImplemented": (Unsupported, "this object store cannot do that"),
    "QuotaExceeded": (StoreFull, "the object store's quota is used up"),
    "XMinioStorageFull": (StoreFull, "the object store is full"),
    "BadDigest": (StoreUnavailable, "the bytes were damaged on their way to the object store"),
    "XAmzContentSHA256Mismatch": (StoreUnavailable, "the bytes were damaged on their way to the object store"),
    "IncompleteBody": (StoreUnavailable, "the object store did not get all bytes"),
    "RequestTimeout": (StoreUnavailable, "the object store waited too long for the bytes"),
    "SlowDown": (StoreUnavailable, _TRY_LATER),
    "InternalError": (StoreUnavailable, _TRY_LATER),
    "ServiceUnavailable": (StoreUnavailable, _TRY_LATER),
    "OperationAborted": (StoreUnavailable, _TRY_LATER),
}

_STATUSES: dict[int, str] = {
    403: "AccessDenied",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    429: "SlowDown",
    500: "InternalError",
    501: "NotImplemented",
    502: "InternalError",
    503: "SlowDown",
    504: "InternalError",
    507: "XMinioStorageFull",
}


class Refusal(NamedTuple):
    """What is known of a request that did not succeed."""

    method: str
    bucket: str
    key: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    region: str
    now: datetime
    names: Names = OWN

    @property
    def what(self) -> str:
        return f"{self.method} in bucket {self.bucket}" if self.bucket else f"{self.method} for the whole account"


def error_of(refusal: Refusal) -> KistError:
    """The error to raise for an answer that is no success."""
    node = _error_node(refusal.body)
    code = _code(node, refusal)
    skew = _skew(code, node, refusal)
    if skew is not None:
        return skew
    region = _other_region(node, refusal)
    if region is not None:
        return Misconfigured(
            f"the bucket lies in region {region}, the settings say {refusal.region}: "
            f"set region={region} in {refusal.names.place}",
            region=region,
        )
    if 300 <= refusal.status < 400:
        return EndpointRedirects(
            "the object store redirects to another address, which is never followed: "
            f"name its own in {refusal.names.place}"
        )
    return meaning(code, refusal)


def meaning(code: str, refusal: Refusal) -> KistError:
    """The error for one of S3's codes."""
    kind, text = _MEANINGS.get(code, (None, ""))
    if kind is None:
        shown = code or "without a reason"
        return StoreRefused(f"the object store refused {refusal.what}: status {refusal.status}, {shown}")
    message = text.format(what=refusal.what, names=refusal.names)
    if issubclass(kind, StoreUnavailable):
        return kind(message, **_after(refusal))
    if kind is BadRange:
        return kind(message, **_full_size(refusal.headers))
    return kind(message)


def error_in(body: bytes) -> bool:
    """Whether a body that came with a success says the opposite, as S3's long operations may."""
    return _error_node(body) is not None


def code_in(body: bytes) -> str:
    """S3's code in the body of a refusal, "" when there is none."""
    node = _error_node(body)
    code = (node.find("Code") or "") if node is not None else ""
    return code if _CODE.fullmatch(code) else ""


def _error_node(body: bytes) -> Node | None:
    if b"<Error" not in body:
        return None
    try:
        node = parse(body)
    except StoreRefused:
        return None
    return node if node.name == "Error" else None


def _code(node: Node | None, refusal: Refusal) -> str:
    code = (node.find("Code") or "") if node is not None else ""
    if _CODE.fullmatch(code):
        if code in _MEANINGS or refusal.status not in (429, 500, 502, 503, 504):
            return code
    elif refusal.status == 404:
        return "NoSuchKey" if refusal.key else "NoSuchBucket"
    return _STATUSES.get(refusal.status, "")


def _skew(code: str, node: Node | None, refusal: Refusal) -> KistError | None:
    """An answer to HEAD has no body, so a refusal is also judged by the server's own clock."""
    named = code == "RequestTimeTooSkewed" or (node is not None and node.find("Code") == "RequestTimeTooSkewed")
    if not named and (refusal.status not in (400, 403) or node is not None):
        return None
    theirs = _server_time(refusal.headers)
    offset = round((refusal.now - theirs).total_seconds()) if theirs is not None else None
    if offset is not None and abs(offset) > _SKEW_LIMIT:
        side = "ahead of" if offset > 0 else "behind"
        return ClockSkew(
            f"this machine's clock is {abs(offset)} seconds {side} the object store's: set it right (NTP)",
            offset=offset,
        )
    if named:
        return ClockSkew(
            "this machine's clock and the object store's differ by more than 15 minutes: set it right (NTP)"
        )
    return None


def _server_time(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None


def _other_region(node: Node | None, refusal: Refusal) -> str | None:
    region = refusal.headers.get("x-amz-bucket-region") or (node.find("Region") if node is not None else None)
    wrong = refusal.status in (301, 307, 400, 403) and region is not None and region != refusal.region
    return region if wrong and region is not None and _REGION.fullmatch(region) else None


def _after(refusal: Refusal) -> dict[str, object]:
    text = refusal.headers.get("retry-after", "")
    return {"after": int(text)} if text.isascii() and text.isdigit() and len(text) < 6 else {}


def _full_size(headers: Mapping[str, str]) -> dict[str, object]:
    size = headers.get("content-range", "").rpartition("/")[2]
    return {"size": int(size)} if size.isascii() and size.isdigit() else {}
