"""What the disk store's signed addresses answer: as S3 would, so that clients need not know the difference.

PUT of an object or of a part, GET, and POST of a form with its fields first and the file last. What was signed must be
sent exactly so; what begins with ``x-amz-`` and was not signed is refused.
"""

from __future__ import annotations

from email.utils import format_datetime
from xml.sax.saxutils import escape

from kist.errors import (
    BadChecksum,
    BadRange,
    Expired,
    Incomplete,
    Invalid,
    KistError,
    Missing,
    NotAllowed,
    ObjectMissing,
    TooLarge,
    UploadMissing,
    WrongMethod,
)
from kist.model.content import Stored
from kist.model.grant import Grant
from kist.model.media import UNKNOWN
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.conditions import unchanged
from kist.wire.download import FENCES, declared_type
from kist.wire.parts import FORM_DATA, Part, form_parts
from kist.wire.ranges import parse, still_current
from kist.wire.reply import HeaderList, Reply
from kist.wire.routes import BodyKind, Dialect, Needs, Route
from kist.wire.statuses import status_of

MOST_FIELDS = 20

_CODES: tuple[tuple[type[KistError], int, str], ...] = (
    (Expired, 403, "AccessDenied"),
    (NotAllowed, 403, "SignatureDoesNotMatch"),
    (TooLarge, 400, "EntityTooLarge"),
    (Incomplete, 400, "IncompleteBody"),
    (BadChecksum, 400, "BadDigest"),
    (UploadMissing, 404, "NoSuchUpload"),
    (ObjectMissing, 404, "NoSuchKey"),
    (Missing, 404, "NoSuchKey"),
    (WrongMethod, 405, "MethodNotAllowed"),
    (BadRange, 416, "InvalidRange"),
    (Invalid, 400, "InvalidArgument"),
)


async def put(call: Call, kist: Kist) -> Reply:
    """Take an object or a part."""
    grant = _granted(call, kist, "PUT")
    declared = grant.header("content-length")
    if declared is not None and call.body.length is None:
        raise NotAllowed("send the body with its Content-Length: it was signed")
    etag = await kist.door.put(
        grant,
        call.body,
        type=grant.header("content-type") or call.headers.get("content-type") or UNKNOWN,
        size=call.body.length,
        md5=call.headers.get("content-md5"),
    )
    return Reply.empty(200, [("etag", f'"{etag}"')])


async def get(call: Call, kist: Kist) -> Reply:
    """Give out an object, shown as was signed."""
    grant = _granted(call, kist, "GET")
    stored = await kist.door.head(grant)
    headers = _content_headers(grant, stored)
    if unchanged(call, stored.etag):
        return Reply.empty(304, headers)
    if call.method == "HEAD":
        return Reply(headers=headers, length=stored.size)
    current = still_current(call.headers.get("if-range"), stored.etag)
    span = parse(call.headers.get("range"), stored.size) if current else None
    opened = await kist.door.open(grant, span)
    if span is None:
        return Reply.stream(opened.body, headers=headers, length=stored.size, close=opened.close)
    headers.append(("content-range", f"bytes {span.start}-{span.stop - 1}/{stored.size}"))
    return Reply.stream(opened.body, status=206, headers=headers, length=span.length, close=opened.close)


async def post(call: Call, kist: Kist) -> Reply:
    """Take the file of a form: its fields come first, and must be those of the policy."""
    fields: dict[str, str] = {}
    etag = None
    async for part in form_parts(call):
        if etag is not None:
            raise Invalid("nothing may come after the file: send the fields first")
        if part.name == "file":
            etag = await _take_file(kist, _policy(fields, kist), part)
        elif part.is_file or part.name in fields or len(fields) == MOST_FIELDS:
            raise NotAllowed(f"the field {part.name[:40]!r} is not part of the form")
        else:
            fields[part.name] = await part.text()
    if etag is None:
        raise Invalid("the form has no file: send it as the part named file")
    return Reply.empty(204, [("etag", f'"{etag}"')])


async def _take_file(kist: Kist, grant: Grant, part: Part) -> str:
    assert grant.form is not None
    declared = dict(grant.form.fields).get("Content-Type") or UNKNOWN
    return await kist.door.put(grant, part.body, type=declared, size=None, md5=None)


def _policy(fields: dict[str, str], kist: Kist) -> Grant:
    """The grant in the field ``policy``, if the other fields are exactly what it says."""
    grant = kist.door.verify(fields.get("policy", ""))
    if grant.form is None:
        raise NotAllowed("this policy is for no form")
    due = {"key": grant.place.key, **dict(grant.form.fields), "policy": fields["policy"]}
    if fields != due:
        wrong = sorted(name[:40] for name in {*fields, *due} if fields.get(name) != due.get(name))
        raise NotAllowed(f"the form differs from its policy in: {', '.join(wrong)}")
    return grant


def _granted(call: Call, kist: Kist, method: str) -> Grant:
    """The grant in the address, if it is for this method and the signed headers are there."""
    grant = kist.door.verify(call.params["token"])
    if grant.method != method or grant.form is not None:
        raise NotAllowed("this address was signed for another method")
    if call.query.names():
        raise NotAllowed("this address was signed without a query")
    for name, value in grant.headers:
        sent = call.headers.get(name)
        if sent != value:
            raise NotAllowed(f"the header {name} must be sent as it was signed")
    signed = {name for name, _ in grant.headers}
    smuggled = [name for name in call.headers.names() if name.startswith("x-amz-") and name not in signed]
    if smuggled:
        raise NotAllowed(f"the header {smuggled[0][:40]} was not signed")
    return grant


def _content_headers(grant: Grant, stored: Stored) -> HeaderList:
    headers: HeaderList = [
        ("content-type", declared_type(grant.asked("response-content-type") or UNKNOWN)),
        ("content-disposition", grant.asked("response-content-disposition") or "attachment"),
        ("etag", f'"{stored.etag}"'),
        ("last-modified", format_datetime(stored.modified, usegmt=True)),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=31536000, immutable"),
    ]
    return [*headers, *FENCES]


def show_error(error: KistError, call: Call) -> Reply:
    """An error in S3's words."""
    status, code = status_of(error), "InternalError"
    for kind, its_status, its_code in _CODES:
        if isinstance(error, kind):
            status, code = its_status, its_code
            break
    body = f"<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
    return Reply(status=status, headers=[("content-type", "application/xml")], body=body.encode())


_ERRORS = (NotAllowed, Expired, Incomplete, TooLarge, BadChecksum)

DIALECT = Dialect(
    name="door",
    routes=(
        Route(
            method="PUT",
            path="/door/{token}",
            handler=put,
            name="door-put",
            summary="What a ticket by PUT or in parts leads to on the disk store",
            needs=Needs.NOTHING,
            body=BodyKind.FILE,
            status=200,
            errors=(*_ERRORS, UploadMissing),
        ),
        Route(
            method="GET",
            path="/door/{token}",
            handler=get,
            name="door-get",
            summary="What a link leads to on the disk store",
            needs=Needs.NOTHING,
            answers=bytes,
            errors=(NotAllowed, Expired, ObjectMissing),
        ),
        Route(
            method="POST",
            path="/door",
            handler=post,
            name="door-post",
            summary="What a ticket by form leads to on the disk store",
            needs=Needs.NOTHING,
            body=BodyKind.FILE,
            accepts_types=(FORM_DATA,),
            status=204,
            errors=_ERRORS,
        ),
    ),
    show_error=show_error,
)
