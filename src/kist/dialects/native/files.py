"""Files in the native API."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import msgspec

from kist.dialects.doors import declared_by_call, declared_by_part, form_taken, intent_of
from kist.dialects.native.paging import file_page, file_query
from kist.dialects.native.repeats import repeat_of
from kist.dialects.native.shapes import (
    ContentQuery,
    CreateQuery,
    FileChange,
    FilePage,
    FileShape,
    ListQuery,
    shape_file,
)
from kist.errors import BadName, BucketMissing, Incomplete, InProgress, Stale, TooLarge
from kist.model.file import File
from kist.model.media import UNKNOWN
from kist.model.upload import Declared, Door, Intent, Repeat
from kist.service.incoming import Incoming, Precondition
from kist.service.kist import Kist
from kist.wire.base64 import Base64File, read_base64
from kist.wire.body import body_of
from kist.wire.call import Call
from kist.wire.conditions import names_strongly
from kist.wire.decoding import decode_body, decode_query
from kist.wire.download import plan_download
from kist.wire.parts import FORM_DATA, Part
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Needs, Route


async def create(call: Call, kist: Kist) -> Reply:
    """Take a new file, by a form or as a raw body."""
    query = decode_query(call.query, CreateQuery)
    repeat = repeat_of(call)
    if call.content_type == FORM_DATA:
        return _created(await _create_by_form(call, kist, query, repeat), call)
    if query.name is None:
        raise BadName("a raw body needs a name: add ?name=, or send a form with a part named file")
    intent = _intent(declared_by_call(call), query.name, query, repeat)
    return _created(await kist.uploads.receive(call.actor, intent, call.body), call)


async def _create_by_form(call: Call, kist: Kist, query: CreateQuery, repeat: Repeat | None) -> File:
    earlier = await kist.uploads.earlier(call.actor, repeat)
    if earlier is not None:
        return earlier

    def begin(part: Part) -> AbstractAsyncContextManager[Incoming]:
        intent = _intent(declared_by_part(part), part.filename or "", query, repeat)
        return kist.uploads.receiving(call.actor, intent)

    async with form_taken(call, begin) as form:
        return await form.file().complete(name=query.name)


def _intent(declared: Declared, name: str, query: CreateQuery, repeat: Repeat | None) -> Intent:
    intent = intent_of(declared, name, bucket=query.bucket, repeat=repeat)
    wanted: Intent = msgspec.structs.replace(intent, visibility=query.visibility)
    return wanted


async def create_from_base64(call: Call, kist: Kist) -> Reply:
    """Take a small new file from a JSON document."""
    repeat = repeat_of(call)
    earlier = await kist.uploads.earlier(call.actor, repeat)
    if earlier is not None:
        return _created(earlier, call)
    sent, decoded = await read_base64(call, limit=kist.limits.max_base64_size)
    intent = Intent(
        name=sent.name,
        type=sent.type or decoded.type or UNKNOWN,
        size=len(decoded.content),
        bucket=sent.bucket,
        door=Door.BASE64,
        repeat=repeat,
    )
    return _created(await kist.uploads.receive(call.actor, intent, body_of(decoded.content)), call)


async def list_files(call: Call, kist: Kist) -> Reply:
    """List files."""
    asked = decode_query(call.query, ListQuery)
    page = await kist.files.page(call.actor, file_query(asked), shared=asked.shared is not None)
    return Reply.json(file_page(page, asked))


async def read(call: Call, kist: Kist) -> Reply:
    """Show what is known of a file."""
    return Reply.json(shape_file(await kist.files.get(call.actor, call.params["id"])))


async def change(call: Call, kist: Kist) -> Reply:
    """Rename a file, change its metadata or its visibility."""
    asked = await decode_body(call, FileChange)
    file = await kist.files.change(
        call.actor, call.params["id"], name=asked.name, metadata=asked.metadata, visibility=asked.visibility
    )
    return Reply.json(shape_file(file))


async def remove(call: Call, kist: Kist) -> Reply:
    """Remove a file."""
    await kist.files.remove(call.actor, call.params["id"])
    return Reply.empty()


async def content(call: Call, kist: Kist) -> Reply:
    """Send the bytes of a file, or a range of them."""
    query = decode_query(call.query, ContentQuery)
    file = await kist.files.get(call.actor, call.params["id"])
    plan = plan_download(call, file, inline=query.disposition == "inline")
    if plan.reply is not None:
        return plan.reply
    return plan.reply_with(await kist.downloads.open(call.actor, file, plan.span))


async def replace(call: Call, kist: Kist) -> Reply:
    """Replace the bytes of a file, by a form or a raw body."""
    file_id = call.params["id"]
    only_if = _precondition(call)
    if call.content_type != FORM_DATA:
        declared = declared_by_call(call)
        file = await kist.uploads.replace(call.actor, file_id, declared, call.body, only_if=only_if)
        return Reply.json(shape_file(file))

    def begin(part: Part) -> AbstractAsyncContextManager[Incoming]:
        return kist.uploads.replacing(call.actor, file_id, declared_by_part(part), only_if=only_if)

    async with form_taken(call, begin) as form:
        return Reply.json(shape_file(await form.file().complete()))


def _precondition(call: Call) -> Precondition | None:
    """What If-Match demands of the current content (RFC 9110 §13.1.1)."""
    wanted = call.headers.get("if-match")
    return None if wanted is None else lambda file: names_strongly(wanted, file.etag)


def _created(file: File, call: Call) -> Reply:
    return Reply.json(shape_file(file), status=201, headers=[("location", f"{call.prefix}/v1/files/{file.id}")])


_UPLOAD_ERRORS = (BadName, BucketMissing, Incomplete, TooLarge, InProgress)

ROUTES = (
    Route(
        method="POST",
        path="/v1/files",
        handler=create,
        name="files-create",
        summary="Upload a file: a form with a part named file, or a raw body with ?name=",
        body=BodyKind.FILE,
        query=CreateQuery,
        answers=FileShape,
        status=201,
        errors=_UPLOAD_ERRORS,
    ),
    Route(
        method="POST",
        path="/v1/files/base64",
        handler=create_from_base64,
        name="files-create-base64",
        summary="Upload a small file as base64 in JSON",
        body=BodyKind.FILE,
        accepts=Base64File,
        answers=FileShape,
        status=201,
        errors=_UPLOAD_ERRORS,
    ),
    Route(
        method="GET",
        path="/v1/files",
        handler=list_files,
        name="files-list",
        summary="List files",
        query=ListQuery,
        answers=FilePage,
    ),
    Route(
        method="GET",
        path="/v1/files/{id}",
        handler=read,
        name="files-read",
        summary="What is known of a file",
        answers=FileShape,
    ),
    Route(
        method="PATCH",
        path="/v1/files/{id}",
        handler=change,
        name="files-change",
        summary="Rename a file, change its metadata or its visibility",
        body=BodyKind.SMALL,
        accepts=FileChange,
        answers=FileShape,
        errors=(BadName,),
    ),
    Route(
        method="DELETE", path="/v1/files/{id}", handler=remove, name="files-remove", summary="Remove a file", status=204
    ),
    Route(
        method="GET",
        path="/v1/files/{id}/content",
        handler=content,
        name="files-content",
        summary="The bytes of a file; Range, If-Range and If-None-Match are honoured; public files need no key",
        needs=Needs.WHAT_IT_NEEDS,
        query=ContentQuery,
        answers=bytes,
    ),
    Route(
        method="PUT",
        path="/v1/files/{id}/content",
        handler=replace,
        name="files-replace",
        summary="Replace the bytes of a file; If-Match is honoured",
        body=BodyKind.FILE,
        answers=FileShape,
        errors=(Stale, Incomplete, TooLarge),
    ),
)
