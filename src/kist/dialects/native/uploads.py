"""Uploads that go straight to the store, in the native API."""

from __future__ import annotations

from kist.dialects.native.repeats import repeat_of
from kist.dialects.native.shapes import FileShape, shape_file
from kist.dialects.native.upload_shapes import (
    Completion,
    NewUpload,
    PartNumbers,
    SignedParts,
    TicketShape,
    UploadShape,
    shape_part,
    shape_ticket,
    shape_upload,
)
from kist.errors import (
    BadName,
    Expired,
    Incomplete,
    InProgress,
    OverQuota,
    TooLarge,
    TooMany,
    UnsafeWay,
    UploadMissing,
    UploadRefused,
    WrongState,
    WrongType,
)
from kist.model.media import UNKNOWN
from kist.model.ticket import Ticket, part_count
from kist.model.upload import Declared, Intent, Repeat, Way
from kist.service.kist import Kist
from kist.service.tickets import Wish
from kist.wire.call import Call
from kist.wire.decoding import decode_body
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Route


async def begin(call: Call, kist: Kist) -> Reply:
    """Give out a ticket."""
    asked = await decode_body(call, NewUpload)
    wish, repeat = Wish(None if asked.way == "auto" else Way(asked.way)), repeat_of(call, asked)
    if asked.file is not None:
        declared = Declared(type=asked.type or UNKNOWN, size=asked.size, sha256=asked.sha256, md5=asked.md5)
        ticket = await kist.tickets.replace(call.actor, asked.file, declared, wish, repeat)
    else:
        ticket = await kist.tickets.begin(call.actor, _intent(asked, repeat), wish)
    return _ticket(ticket, call, status=201)


def _intent(asked: NewUpload, repeat: Repeat | None) -> Intent:
    if asked.name is None:
        raise BadName("a new file needs a name; to replace one, give its id as file")
    return Intent(
        name=asked.name,
        type=asked.type or UNKNOWN,
        size=asked.size,
        sha256=asked.sha256,
        md5=asked.md5,
        bucket=asked.bucket,
        visibility=asked.visibility,
        metadata=asked.metadata,
        repeat=repeat,
    )


async def again(call: Call, kist: Kist) -> Reply:
    """Give out a new ticket for the same upload."""
    return _ticket(await kist.tickets.ticket(call.actor, call.params["id"]), call, status=200)


async def read(call: Call, kist: Kist) -> Reply:
    """Show how an upload stands, and which parts have arrived."""
    upload = await kist.tickets.get(call.actor, call.params["id"])
    received = tuple([part async for part in kist.tickets.arrived(upload)])
    return Reply.json(shape_upload(upload, received))


async def sign(call: Call, kist: Kist) -> Reply:
    """Sign parts, for the first time or again."""
    asked = await decode_body(call, PartNumbers)
    parts = await kist.tickets.sign(call.actor, call.params["id"], asked.numbers)
    return Reply.json(SignedParts(tuple(map(shape_part, parts))))


async def complete(call: Call, kist: Kist) -> Reply:
    """Make the file ready."""
    asked = Completion() if call.body.length == 0 else await decode_body(call, Completion)
    etags = {part.number: part.etag for part in asked.parts}
    return Reply.json(shape_file(await kist.tickets.complete(call.actor, call.params["id"], etags)))


async def abort(call: Call, kist: Kist) -> Reply:
    """End an upload and forget its bytes."""
    await kist.tickets.abort(call.actor, call.params["id"])
    return Reply.empty()


def _ticket(ticket: Ticket, call: Call, *, status: int) -> Reply:
    upload = ticket.upload
    count = part_count(upload) if upload.way is Way.PARTS else None
    headers = [("location", f"{call.prefix}/v1/uploads/{upload.id}")] if status == 201 else []
    return Reply.json(shape_ticket(ticket, count, call.base_url), status, headers)


_BEGIN_ERRORS = (BadName, TooLarge, WrongType, TooMany, OverQuota, UnsafeWay, InProgress)

ROUTES = (
    Route(
        method="POST",
        path="/v1/uploads",
        handler=begin,
        name="uploads-begin",
        summary="A ticket with which a client uploads a file by itself, straight to the store",
        body=BodyKind.SMALL,
        accepts=NewUpload,
        answers=TicketShape,
        status=201,
        errors=_BEGIN_ERRORS,
    ),
    Route(
        method="GET",
        path="/v1/uploads/{id}",
        handler=read,
        name="uploads-read",
        summary="How an upload stands, and which parts have arrived",
        answers=UploadShape,
        errors=(UploadMissing,),
    ),
    Route(
        method="DELETE",
        path="/v1/uploads/{id}",
        handler=abort,
        name="uploads-abort",
        summary="Abort an upload",
        status=204,
        errors=(UploadMissing, WrongState, InProgress),
    ),
    Route(
        method="POST",
        path="/v1/uploads/{id}/ticket",
        handler=again,
        name="uploads-ticket",
        summary="A new ticket for the same upload: starts it over, also after completion, or goes on with its parts",
        answers=TicketShape,
        errors=(UploadMissing, TooMany, OverQuota, UnsafeWay, InProgress),
    ),
    Route(
        method="POST",
        path="/v1/uploads/{id}/parts",
        handler=sign,
        name="uploads-parts",
        summary="Sign parts, for the first time or again; at most 100 in a call",
        body=BodyKind.SMALL,
        accepts=PartNumbers,
        answers=SignedParts,
        errors=(UploadMissing, Expired, WrongState, InProgress),
    ),
    Route(
        method="POST",
        path="/v1/uploads/{id}/complete",
        handler=complete,
        name="uploads-complete",
        summary="Make the file ready out of what has arrived; may be called as often as one likes",
        body=BodyKind.SMALL,
        accepts=Completion,
        answers=FileShape,
        errors=(UploadMissing, Incomplete, UploadRefused, InProgress, Expired, WrongState),
    ),
)
