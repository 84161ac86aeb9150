"""Files by bucket and name: upload, have them written into the server's folder, remove, presigned URLs.

A name means the newest ready file of that name in that bucket that the caller may read, else, for the bucket's owner
or an admin, the object with that key. Whatever else it could mean looks like nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from datetime import timedelta
from typing import Annotated, Any
from unicodedata import normalize

import msgspec
from msgspec import Meta

from kist.dialects.crowdbotics.addresses import SERVICE
from kist.dialects.crowdbotics.buckets import BucketName
from kist.dialects.crowdbotics.fields import acting, read_fields
from kist.dialects.crowdbotics.refusals import DELETE_OBJECT, HEAD, PUT, asking
from kist.dialects.doors import Form, declared_by_part, form_taken, intent_of
from kist.dialects.rest_framework import last_values, sent_fields
from kist.errors import (
    BadName,
    BucketMissing,
    FileMissing,
    Invalid,
    NotAllowed,
    ObjectMissing,
    TooLarge,
    Unsupported,
    WrongMethod,
)
from kist.model.actor import Actor
from kist.model.content import Opened
from kist.model.file import File
from kist.service.incoming import Incoming
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.download import shown_as
from kist.wire.pages import is_own_page
from kist.wire.parts import Part
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Needs, Route

WEEK = 604_800


class Destination(msgspec.Struct, frozen=True):
    """Where an upload goes. ``user_id`` is the caller's own id; an admin may name another user's."""

    bucket: BucketName
    user_id: str


class Beginning(msgspec.Struct, frozen=True):
    """What of that is known when the file begins; empty where it is not."""

    bucket: BucketName = ""
    user_id: str = ""


class Sought(msgspec.Struct, frozen=True):
    """A file by its name."""

    file_name: str
    bucket: BucketName


class Unwanted(Sought, frozen=True):
    """A file to remove. ``user_id`` is the caller's own id; an admin may name its owner's."""

    user_id: str


class Shown(Sought, frozen=True):
    """A file to sign an address for, and for how many seconds; ``KIST_LINK_LIFE_MAX`` may cut them."""

    expiration: Annotated[int, Meta(ge=1, le=WEEK)] = 3600


async def upload(call: Call, kist: Kist) -> Reply:
    """Take a file by a form. Its fields may stand before the file or after it.

    What is known when the file begins is judged before a byte of it is taken. A bucket or a user that is named only
    afterwards has the bytes moved there, through the store, and judged then.
    """
    form = Form()

    def begin(part: Part) -> AbstractAsyncContextManager[Incoming]:
        actor, bucket = _known_by_now(form.fields, call.actor)
        name = _base_name(part.filename or "")
        return kist.uploads.receiving(actor, intent_of(declared_by_part(part), name, bucket=bucket))

    async with form_taken(call, begin, form):
        if form.incoming is None:
            raise Invalid("file")  # all that the contract says of it
        destination = read_fields(form.fields, Destination)
        await _settle(kist, form.incoming, acting(call.actor, destination.user_id, "user_id"), destination.bucket)
    return Reply.empty(200)


async def download(call: Call, kist: Kist) -> Reply:
    """Write a file into the folder that the operator has set, and answer with its path there."""
    return await _save(call, kist, last_values(call.query))


async def download_at(call: Call, kist: Kist) -> Reply:
    """The same, by the later path."""
    return await _save(call, kist, {"file_name": call.params["file_name"], "bucket": call.params["bucket_name"]})


async def remove(call: Call, kist: Kist) -> Reply:
    """Remove every file of that name that the user owns; when there is none, the object with that key."""
    return await _remove(call, kist, await sent_fields(call))


async def remove_at(call: Call, kist: Kist) -> Reply:
    """The same, by the later path."""
    names = {"file_name": "file_name", "bucket": "bucket_name", "user_id": "user_id"}
    return await _remove(call, kist, {field: call.params[name] for field, name in names.items()})


async def presign(call: Call, kist: Kist) -> Reply:
    """Sign an address at which anybody may read a file for a while."""
    return await _sign(call, kist, last_values(call.query))


async def presign_by_body(call: Call, kist: Kist) -> Reply:
    """The same, as the later API asks for it."""
    return await _sign(call, kist, await sent_fields(call))


async def _settle(kist: Kist, incoming: Incoming, actor: Actor, bucket: str) -> None:
    """Complete an upload where it belongs."""
    row = incoming.upload
    if (row.owner, row.bucket) == (actor.id, bucket):
        await incoming.complete()
        return
    async with aclosing(incoming.again()) as body:
        await kist.uploads.receive(actor, intent_of(incoming.arrived, row.name, bucket=bucket), body)


def _known_by_now(fields: Mapping[str, str], actor: Actor) -> tuple[Actor, str | None]:
    """In whose name and into which bucket the fields before the file send it; what is wrong with them shows here.

    Until the bucket is known the bytes wait in the base bucket, which everybody may upload to.
    """
    known = read_fields(fields, Beginning)
    uploader = acting(actor, known.user_id, "user_id") if known.user_id else actor
    return uploader, known.bucket or None


def _base_name(sent: str) -> str:
    """The last part of a path of either kind of system: all that clients of this contract ever name files by."""
    name = sent.replace("\\", "/").rpartition("/")[2]
    if name in ("", ".", ".."):
        raise BadName("the file needs a name")
    return name


async def _save(call: Call, kist: Kist, fields: Mapping[str, Any]) -> Reply:
    """A GET that writes: never for HEAD, and never because a page of another site said so."""
    if call.method != "GET":
        raise WrongMethod("only GET writes the file", allowed="GET, OPTIONS")
    if not is_own_page(call):
        raise NotAllowed("pages of other sites may have nothing written here")
    if kist.saving is None:
        raise Unsupported("nothing is written on this server: its operator has not set PATH_TO_SAVE_FILE")
    sought = read_fields(fields, Sought)
    opened = await _open(call.actor, kist, sought)
    try:
        return Reply.json(await kist.saving.save(sought.file_name, opened.body))
    finally:
        await opened.close()


async def _open(actor: Actor, kist: Kist, sought: Sought) -> Opened:
    file = await _found(actor, kist, sought)
    if file is None:
        return await kist.objects.open(actor, sought.bucket, sought.file_name)
    return await kist.downloads.open(actor, file)


async def _remove(call: Call, kist: Kist, fields: Mapping[str, Any]) -> Reply:
    unwanted = read_fields(fields, Unwanted)
    actor, bucket, name = call.actor, unwanted.bucket, unwanted.file_name
    owner = acting(actor, unwanted.user_id, "user_id").id
    if await kist.files.remove_named(actor, bucket, _kept(name), owner=owner) == 0:
        await kist.buckets.check_readable(actor, bucket)
        with suppress(BucketMissing, ObjectMissing):  # what never was, or is not this caller's, is removed as well
            await kist.objects.remove(actor, bucket, name)
    return Reply.empty()


async def _sign(call: Call, kist: Kist, fields: Mapping[str, Any]) -> Reply:
    shown = read_fields(fields, Shown)
    life = timedelta(seconds=shown.expiration)
    file = await _found(call.actor, kist, shown)
    if file is None:
        return Reply.json(await kist.objects.address(call.actor, shown.bucket, shown.file_name, life))
    await kist.downloads.note_read(call.actor, file)
    return Reply.json(kist.downloads.signed(file, life, shown_as=shown_as(file, inline=True)))


async def _found(actor: Actor, kist: Kist, sought: Sought) -> File | None:
    """The file that a name means; None when it can only mean an object without a row."""
    try:
        return await kist.files.named(actor, sought.bucket, _kept(sought.file_name))
    except FileMissing:
        return None


def _kept(name: str) -> str:
    """A file's name as it was kept, however the sender's system composes its letters. Keys of objects stay as sent."""
    return normalize("NFC", name)


ROUTES = (
    Route(
        method="POST",
        path=f"{SERVICE}/file/upload",
        handler=asking(PUT, upload),
        name="crowdbotics-upload",
        summary="Upload a file: a form with file, bucket and user_id",
        body=BodyKind.FILE,
        errors=(BadName, BucketMissing, NotAllowed, TooLarge),
    ),
    Route(
        method="GET",
        path=f"{SERVICE}/file/download",
        handler=asking(HEAD, download),
        name="crowdbotics-download",
        summary="Write a file into the folder PATH_TO_SAVE_FILE of the server",
        needs=Needs.ADMIN,
        query=Sought,
        answers=str,
        errors=(FileMissing, Unsupported),
    ),
    Route(
        method="GET",
        path=f"{SERVICE}/buckets/{{bucket_name}}/files/{{file_name}}/download",
        handler=asking(HEAD, download_at),
        name="crowdbotics-download-by-path",
        summary="The same, by the later path",
        needs=Needs.ADMIN,
        answers=str,
        errors=(FileMissing, Unsupported),
    ),
    Route(
        method="DELETE",
        path=f"{SERVICE}/file/remove",
        handler=asking(DELETE_OBJECT, remove),
        name="crowdbotics-remove",
        summary="Remove the files of that name; 204 also when there are none",
        body=BodyKind.SMALL,
        accepts=Unwanted,
        status=204,
        errors=(BucketMissing, NotAllowed),
    ),
    Route(
        method="DELETE",
        path=f"{SERVICE}/users/{{user_id}}/buckets/{{bucket_name}}/files/{{file_name}}/remove",
        handler=asking(DELETE_OBJECT, remove_at),
        name="crowdbotics-remove-by-path",
        summary="The same, by the later path",
        status=204,
        errors=(BucketMissing, NotAllowed),
    ),
    Route(
        method="GET",
        path=f"{SERVICE}/file/presigned/url",
        handler=asking(HEAD, presign),
        name="crowdbotics-presign",
        summary="A presigned URL, at which anybody may read the file for a while",
        query=Shown,
        answers=str,
        errors=(FileMissing, Unsupported),
    ),
    Route(
        method="POST",
        path=f"{SERVICE}/file/presigned/url",
        handler=asking(HEAD, presign_by_body),
        name="crowdbotics-presign-by-body",
        summary="The same, as the later API asks for it",
        body=BodyKind.SMALL,
        accepts=Shown,
        answers=str,
        errors=(FileMissing, Unsupported),
    ),
)
