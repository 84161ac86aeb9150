"""Signed uploads and downloads, answered as S3 would answer them, for stores that leave that to Kist.

``PUT`` and ``GET /door/{token}`` are signed URLs, ``POST /door`` is a signed form. The token is the only credential.
What was signed must be sent exactly so, and nothing that S3 would act on may be sent beside it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from email.utils import format_datetime
from xml.sax.saxutils import escape

from kist import errors
from kist.errors import BadChecksum, Expired, Incomplete, Invalid, KistError, NotAllowed, TooLarge
from kist.model.content import FormLimits, Stored
from kist.model.grant import Grant
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.conditions import require_match, unchanged
from kist.wire.download import FENCES, declared_type
from kist.wire.parts import Part, form_parts
from kist.wire.ranges import parse, still_current
from kist.wire.reply import HeaderList, Reply
from kist.wire.routes import BodyKind, Dialect, Needs, Route
from kist.wire.statuses import status_of

FILE = "file"
POLICY = "policy"
MAX_FIELDS = 64 << 10
"""Bytes of all fields of a form together."""

_CODES: tuple[tuple[type[KistError], int, str], ...] = (
    (errors.Expired, 403, "AccessDenied"),
    (errors.NotAllowed, 403, "SignatureDoesNotMatch"),
    (errors.BadChecksum, 400, "BadDigest"),
    (errors.TooLarge, 400, "EntityTooLarge"),
    (errors.Incomplete, 400, "IncompleteBody"),
    (errors.UploadMissing, 404, "NoSuchUpload"),
    (errors.BucketMissing, 404, "NoSuchBucket"),
    (errors.Missing, 404, "NoSuchKey"),
    (errors.BadRange, 416, "InvalidRange"),
    (errors.WrongMethod, 405, "MethodNotAllowed"),
    (errors.Stale, 412, "PreconditionFailed"),
    (errors.Invalid, 400, "InvalidArgument"),
    (errors.TooMany, 503, "SlowDown"),
    (errors.Unavailable, 503, "ServiceUnavailable"),
    (errors.Refused, 400, "InvalidRequest"),
)


async def put(call: Call, kist: Kist) -> Reply:
    """Take the bytes of an object, or of one part of a multipart upload."""
    grant = _granted(call, kist, "PUT")
    size = call.body.length
    if size is None:
        return _refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    _check_headers(call, grant)
    most = kist.limits.max_direct_size
    if grant.header("content-length") is None and size > most:  # nobody has signed how much may come
        raise TooLarge("Your proposed upload exceeds the maximum allowed size", limit=most)
    md5 = _declared_md5(call)
    if grant.asked("uploadId") is not None or grant.asked("partNumber") is not None:
        etag = (await kist.door.put_part(grant, call.body, size=size, md5=md5)).etag
    else:
        etag = (await kist.door.put(grant, call.body, size=size, md5=md5)).etag
    return Reply.empty(200, [("etag", f'"{etag}"')])


async def post(call: Call, kist: Kist) -> Reply:
    """Take the form of a signed upload: its fields first, then the part ``file``, and nothing behind it."""
    _check_unsigned(call, ())
    fields: dict[str, str] = {}
    room = MAX_FIELDS
    parts = form_parts(call)
    async for part in parts:
        if part.name == FILE:
            grant, limits = _granted_form(kist, fields)
            async with aclosing(_file(parts, part, limits)) as body:
                stored = await kist.door.put(grant, body)
            return Reply.empty(204, [("etag", f'"{stored.etag}"')])
        if part.name in fields:
            raise NotAllowed(f"the form field {part.name!r} is given twice")
        fields[part.name] = await part.text(room)
        room -= len(fields[part.name])
    raise Invalid("POST requires exactly one file upload per request: the part named file, as the last")


async def get(call: Call, kist: Kist) -> Reply:
    """Send the bytes of an object."""
    grant = _granted(call, kist, "GET", "HEAD") if call.method == "HEAD" else _granted(call, kist, "GET")
    _check_headers(call, grant)
    stored = await kist.door.head(grant)
    require_match(call, stored.etag)
    headers = _headers_of(stored, grant)
    if unchanged(call, stored.etag):
        return Reply(status=304, headers=headers)
    if call.method == "HEAD":
        return Reply(headers=headers, length=stored.size)
    wanted = call.headers.get("range") if still_current(call.headers.get("if-range"), stored.etag) else None
    span = parse(wanted, stored.size)
    opened = await kist.door.open(grant, stored, span)
    if span is None:
        return Reply.stream(opened.body, headers=headers, length=stored.size, close=opened.close)
    headers.append(("content-range", f"bytes {span.start}-{span.stop - 1}/{stored.size}"))
    return Reply.stream(opened.body, status=206, headers=headers, length=span.length, close=opened.close)


def show_error(error: KistError, call: Call) -> Reply:
    """Errors in the XML of S3."""
    status, code = next(
        ((status, code) for kind, status, code in _CODES if isinstance(error, kind)),
        (status_of(error), "InternalError"),
    )
    if isinstance(error, NotAllowed) and call.method == "POST":
        code = "AccessDenied"
    if isinstance(error, Incomplete) and "minimum" in error.about:
        code = "EntityTooSmall"
    return _refusal(status, code, error.message)


def _refusal(status: int, code: str, message: str) -> Reply:
    # XML has no controls, not even escaped ones.
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in message)
    error = f"<Error><Code>{code}</Code><Message>{escape(shown)}</Message></Error>"
    return Reply.text(f'<?xml version="1.0" encoding="UTF-8"?>\n{error}', status=status, type="application/xml")


def _granted(call: Call, kist: Kist, *methods: str) -> Grant:
    """The grant of the URL, if it allows one of ``methods``. What was not signed into it may not be asked."""
    grant = kist.door.verify(call.params["token"])
    if grant.method not in methods or grant.form is not None:
        raise NotAllowed("this address was signed for another method")
    if call.query.names():
        raise NotAllowed("this address was signed without a query")
    return grant


def _granted_form(kist: Kist, fields: dict[str, str]) -> tuple[Grant, FormLimits]:
    """What the field ``policy`` allows, if all other fields are exactly those that were signed."""
    grant = kist.door.verify(fields.get(POLICY, ""))
    limits = grant.form
    if limits is None:
        raise NotAllowed("this policy was signed for a URL, not for a form")
    wanted = {"key": grant.place.key, **dict(limits.fields)}
    sent = {name: value for name, value in fields.items() if name != POLICY}
    for name in sorted(wanted.keys() | sent.keys()):
        if name not in wanted:
            raise NotAllowed(f"Invalid according to Policy: Extra input fields: {name}")
        if sent.get(name) != wanted[name]:
            raise NotAllowed(f"Invalid according to Policy: the field {name} must be sent as it was signed")
    return grant, limits


async def _file(parts: AsyncIterator[Part], part: Part, limits: FormLimits) -> AsyncGenerator[bytes, None]:
    """The bytes of the file, counted; whole only when the form ends behind them."""
    size = 0
    async for block in part.body:
        size += len(block)
        if size > limits.max_size:
            raise TooLarge("Your proposed upload exceeds the maximum allowed size", limit=limits.max_size)
        yield block
    if size < limits.min_size:
        raise Incomplete("Your proposed upload is smaller than the minimum allowed size", minimum=limits.min_size)
    if await anext(parts, None) is not None:
        raise Invalid("the part named file must be the last of the form")


def _check_headers(call: Call, grant: Grant) -> None:
    """Refuse what is not sent as it was signed, and what S3 would act on and was not signed."""
    for name, value in grant.headers:
        if call.headers.all(name) != [value]:
            raise NotAllowed(f"the header {name} must be sent as it was signed")
    _check_unsigned(call, grant.headers)


def _check_unsigned(call: Call, signed: tuple[tuple[str, str], ...]) -> None:
    names = {name for name, _ in signed}
    for name in call.headers.names():
        if name.startswith("x-amz-") and name not in names:
            raise NotAllowed(f"the header {name} was not signed: leave it out")


def _declared_md5(call: Call) -> str | None:
    """The MD5 that ``Content-MD5`` declares, in lower-case hex."""
    header = call.headers.get("content-md5")
    if header is None:
        return None
    try:
        digest = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadChecksum("The Content-MD5 you specified was invalid") from error
    if len(digest) != 16:
        raise BadChecksum("The Content-MD5 you specified was invalid")
    return digest.hex()


def _headers_of(stored: Stored, grant: Grant) -> HeaderList:
    disposition = grant.asked("response-content-disposition") or ""
    plain = disposition.isascii() and disposition.isprintable() and disposition
    return [
        ("etag", f'"{stored.etag}"'),
        ("last-modified", format_datetime(stored.modified, usegmt=True)),
        ("cache-control", "private, no-cache"),
        ("content-type", declared_type(grant.asked("response-content-type") or stored.type or "")),
        ("content-disposition", plain or "attachment"),
        ("accept-ranges", "bytes"),
        *FENCES,
    ]


DIALECT = Dialect(
    name="door",
    show_error=show_error,
    credentials=(),
    routes=(
        Route(
            method="PUT",
            path="/door/{token}",
            handler=put,
            name="door-put",
            summary="Upload by a signed URL",
            needs=Needs.NOTHING,
            body=BodyKind.FILE,
            errors=(NotAllowed, Expired, BadChecksum, TooLarge),
        ),
        Route(
            method="GET",
            path="/door/{token}",
            handler=get,
            name="door-get",
            summary="Download by a signed URL",
            needs=Needs.NOTHING,
            answers=bytes,
            errors=(NotAllowed, Expired),
        ),
        Route(
            method="POST",
            path="/door",
            handler=post,
            name="door-post",
            summary="Upload by a signed form",
            needs=Needs.NOTHING,
            body=BodyKind.FILE,
            status=204,
            errors=(NotAllowed, Expired, TooLarge),
        ),
    ),
)
