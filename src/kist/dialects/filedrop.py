"""The contract of FILE DROP, a Dropbox-like REST API: five calls on ``/files``, errors as ``{"error": …}``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

import msgspec

from kist.dialects.doors import declared_by_call, declared_by_part, form_taken, intent_of
from kist.errors import (
    BadChecksum,
    BadName,
    BadRange,
    FileMissing,
    Invalid,
    KistError,
    TooLarge,
    WrongMethod,
    WrongType,
)
from kist.model.file import File
from kist.model.query import MAX_PAGE, FileQuery
from kist.service.incoming import Incoming
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.declared import declared_name
from kist.wire.decoding import FORM_URLENCODED, decode_body, read_urlencoded
from kist.wire.download import plan_download
from kist.wire.parts import FORM_DATA, Part
from kist.wire.reply import JSON, Reply
from kist.wire.routes import BodyKind, Dialect, Route
from kist.wire.statuses import retry_after, status_of

NAME_FIELDS = ("file_name", "new_file_name", "filename")
MAX_SMALL_BODY = 64 * 1024

_encode = msgspec.json.Encoder().encode


class FileLine(msgspec.Struct, frozen=True):
    """A file in the list."""

    file_id: str
    file_name: str
    file_size: int
    file_type: str
    created_at: datetime


class Uploaded(msgspec.Struct, frozen=True):
    """The answer to an upload."""

    file_id: str
    message: str


class Message(msgspec.Struct, frozen=True):
    """The answer to a change."""

    message: str


class Failure(msgspec.Struct, frozen=True):
    """Every error."""

    error: str


class NewName(msgspec.Struct, frozen=True):
    """A new name for a file, under any of the names that its clients use."""

    file_name: str | None = None
    new_file_name: str | None = None
    filename: str | None = None


async def upload(call: Call, kist: Kist) -> Reply:
    """Take a new file: a form with a part ``file``, or a raw body named by ``?file_name=`` or Content-Disposition."""
    given = call.query.get("file_name")
    if call.content_type != FORM_DATA:
        name = given or declared_name(call)
        if not name:
            raise BadName("no file: send a form with a part named file, or a raw body with ?file_name=")
        file = await kist.uploads.receive(call.actor, intent_of(declared_by_call(call), name), call.body)
        return _uploaded(file)

    def begin(part: Part) -> AbstractAsyncContextManager[Incoming]:
        return kist.uploads.receiving(call.actor, intent_of(declared_by_part(part), part.filename or ""))

    async with form_taken(call, begin) as form:
        return _uploaded(await form.file().complete(name=given or _name_in(form.fields.get)))


async def read(call: Call, kist: Kist) -> Reply:
    """Send the bytes of a file."""
    file = await kist.files.get(call.actor, call.params["id"])
    plan = plan_download(call, file, inline=False)
    if plan.reply is not None:
        return plan.reply
    return plan.reply_with(await kist.downloads.open(call.actor, file, plan.span))


async def update(call: Call, kist: Kist) -> Reply:
    """Give a file new content, a new name, or both; content alone leaves the name as it is."""
    if call.content_type == FORM_DATA:
        return await _update_by_form(call, kist)
    if call.content_type in (JSON, FORM_URLENCODED):
        return await _rename(call, kist, await _sent_name(call))
    given = _name_in(call.query.get)
    if call.body.length == 0 and not call.content_type:
        return await _rename(call, kist, given)
    async with kist.uploads.replacing(call.actor, call.params["id"], declared_by_call(call)) as incoming:
        await incoming.accept(call.body)
        await incoming.complete(name=given)
    return Reply.json(Message("File updated"))


async def remove(call: Call, kist: Kist) -> Reply:
    """Remove a file."""
    await kist.files.remove(call.actor, call.params["id"])
    return Reply.json(Message("File deleted"))


async def listing(call: Call, kist: Kist) -> Reply:
    """All files that the caller may see, newest first, as one bare array however many they are."""
    first = await kist.files.page(call.actor, FileQuery(limit=MAX_PAGE))
    if first.next is None:
        return Reply.json(tuple(_line(file) for file in first.items))

    async def body() -> AsyncIterator[bytes]:
        page, opening = first, b"["
        while page.items:
            yield opening + b",".join(_encode(_line(file)) for file in page.items)
            if page.next is None:
                break
            page, opening = await kist.files.page(call.actor, FileQuery(limit=MAX_PAGE, after=page.next)), b","
        yield b"]"

    return Reply.stream(body(), headers=[("content-type", JSON)])


def show_error(error: KistError, call: Call) -> Reply:
    """Errors of this contract; bad input is 400 here, whatever is wrong with it."""
    plain_input = isinstance(error, Invalid) and not isinstance(error, TooLarge | WrongType | BadRange | WrongMethod)
    status = 400 if plain_input else status_of(error)
    return Reply.json(Failure(error.message), status=status, headers=retry_after(error))


async def _update_by_form(call: Call, kist: Kist) -> Reply:
    def begin(part: Part) -> AbstractAsyncContextManager[Incoming]:
        return kist.uploads.replacing(call.actor, call.params["id"], declared_by_part(part))

    async with form_taken(call, begin) as form:
        name = _name_in(form.fields.get) or call.query.get("file_name")
        if form.incoming is not None:
            await form.incoming.complete(name=name)
            return Reply.json(Message("File updated"))
    return await _rename(call, kist, name)


async def _rename(call: Call, kist: Kist, name: str | None) -> Reply:
    if name is None:
        raise Invalid("nothing to change: send new content, or a new name as file_name")
    await kist.files.change(call.actor, call.params["id"], name=name)
    return Reply.json(Message("File renamed"))


async def _sent_name(call: Call) -> str | None:
    if call.content_type == JSON:
        sent = await decode_body(call, NewName, limit=MAX_SMALL_BODY)
        return sent.file_name or sent.new_file_name or sent.filename
    return _name_in((await read_urlencoded(call, limit=MAX_SMALL_BODY)).get)


def _name_in(value_of: Callable[[str], str | None]) -> str | None:
    """The new name, under the first of its fields that has a value."""
    return next((name for field in NAME_FIELDS if (name := value_of(field))), None)


def _uploaded(file: File) -> Reply:
    return Reply.json(Uploaded(file.id, "File uploaded"), status=201)


def _line(file: File) -> FileLine:
    return FileLine(file.id, file.name, file.size, file.type, file.created_at)


DIALECT = Dialect(
    name="filedrop",
    show_error=show_error,
    routes=(
        Route(
            method="POST",
            path="/files/upload",
            handler=upload,
            name="filedrop-upload",
            summary="Upload a file",
            body=BodyKind.FILE,
            answers=Uploaded,
            status=201,
            errors=(BadName, TooLarge, BadChecksum),
        ),
        Route(
            method="GET",
            path="/files",
            handler=listing,
            name="filedrop-list",
            summary="List all files",
            answers=list[FileLine],
        ),
        Route(
            method="GET",
            path="/files/{id}",
            handler=read,
            name="filedrop-read",
            summary="The bytes of a file",
            answers=bytes,
        ),
        Route(
            method="PUT",
            path="/files/{id}",
            handler=update,
            name="filedrop-update",
            summary="New content, a new name, or both",
            body=BodyKind.FILE,
            answers=Message,
            errors=(FileMissing,),
        ),
        Route(
            method="DELETE",
            path="/files/{id}",
            handler=remove,
            name="filedrop-remove",
            summary="Remove a file",
            answers=Message,
            errors=(FileMissing,),
        ),
    ),
)
