"""Putting files in and getting one's own back: links to PUT to, base64 and forms through Kist, links to read."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import timedelta

import msgspec

from kist.dialects.syncano.answers import REQUIRED, SLASH
from kist.dialects.syncano.arguments import Arguments, Keys, Sent, one_file, read, read_with_file
from kist.dialects.syncano.callers import admin_key, callers, user_key
from kist.dialects.syncano.instances import bucket_of
from kist.errors import FileMissing, Invalid, NotAllowed, UnsafeWay
from kist.model.actor import Actor
from kist.model.file import File
from kist.model.media import UNKNOWN
from kist.model.names import clean_name
from kist.model.upload import Declared, Door
from kist.service.kist import Kist
from kist.wire.base64 import decode_base64
from kist.wire.body import body_of
from kist.wire.call import Call
from kist.wire.pages import refuse_foreign_changes
from kist.wire.reply import Reply

SHORT = timedelta(seconds=60)
"""How long links from ``…-upload-link`` and ``user-read`` live, unless EXPIRE says otherwise."""
LONG = timedelta(seconds=3600)
"""The same for links from ``make-links``, and for those that come with an upload."""


class SignedLink(msgspec.Struct, frozen=True):
    """A signed address."""

    link: str


class PutResult(msgspec.Struct, frozen=True):
    """The answer to an upload: the validator of the content, in quotes, and a link to read it."""

    etag: str = msgspec.field(name="ETag")
    link: str


async def user_upload_link(call: Call, kist: Kist) -> Reply:
    """An address to PUT a file of the user's to, by a plain request without any header."""
    refuse_foreign_changes(call)
    sent = await read(call)
    user = (await callers(call, kist, sent.keys)).the_user()
    address = _own_address(user, sent.arguments)
    bucket = await bucket_of(call, kist, sent.arguments, user)
    return Reply.json(await _upload_link(kist, user, bucket, address))


async def user_read(call: Call, kist: Kist) -> Reply:
    """An address to read a file of the user's."""
    sent = await read(call)
    user = (await callers(call, kist, sent.keys)).the_user()
    address = _own_address(user, sent.arguments)
    bucket = await bucket_of(call, kist, sent.arguments, user)
    try:
        file = await kist.addressed.get(user, bucket, address)
    except FileMissing as error:
        raise FileMissing("You have no file of that name") from error
    return Reply.json(SignedLink(kist.downloads.signed(file, link_life(kist, SHORT))))


async def user_upload(call: Call, kist: Kist) -> Reply:
    """Take a file of the user's."""
    refuse_foreign_changes(call)

    def enough(arguments: Arguments, keys: Keys) -> bool:
        known = user_key(call) is not None or keys.user is not None
        return arguments.name is not None and (known or (admin_key(call) is not None and not call.actor.is_admin))

    sent = await read_with_file(call, kist.limits.max_base64_size, enough)
    user = (await callers(call, kist, sent.keys)).the_user()
    _check_both(sent)
    address = _own_address(user, sent.arguments)
    bucket = await bucket_of(call, kist, sent.arguments, user)
    return _uploaded(kist, await _receive(kist, sent, user, bucket, address))


async def admin_upload_link(call: Call, kist: Kist) -> Reply:
    """An address to PUT a file of any name to."""
    refuse_foreign_changes(call)
    sent = await read(call)
    admin = (await callers(call, kist, sent.keys)).the_admin()
    name = _name(sent.arguments)
    bucket = await bucket_of(call, kist, sent.arguments, admin, admin=True)
    return Reply.json(await _upload_link(kist, admin, bucket, name))


async def admin_upload(call: Call, kist: Kist) -> Reply:
    """Take a file under any name."""
    refuse_foreign_changes(call)

    def enough(arguments: Arguments, keys: Keys) -> bool:
        return arguments.name is not None and (admin_key(call) is not None or keys.admin is not None)

    sent = await read_with_file(call, kist.limits.max_base64_size, enough)
    admin = (await callers(call, kist, sent.keys)).the_admin()
    _check_both(sent)
    bucket = await bucket_of(call, kist, sent.arguments, admin, admin=True)
    return _uploaded(kist, await _receive(kist, sent, admin, bucket, _name(sent.arguments)))


def link_life(kist: Kist, otherwise: timedelta) -> timedelta:
    """How long a link lives: as long as EXPIRE says, else ``otherwise``; never longer than the operator allows."""
    return min(kist.contracts.link_life or otherwise, kist.limits.link_life_max)


async def _upload_link(kist: Kist, actor: Actor, bucket: str, address: str) -> SignedLink:
    try:
        return SignedLink(await kist.addressed.link(actor, bucket, address, link_life(kist, SHORT)))
    except UnsafeWay as error:
        failed = error.about.get("failed", ())
        message = "links to upload to are not safe on this store as it is set up (kist doctor --probe): use user-upload"
        raise UnsafeWay(message, failed=failed) from error


async def _receive(kist: Kist, sent: Sent, actor: Actor, bucket: str, address: str) -> File:
    declared, body = _content(sent, kist.limits.max_base64_size)
    return await kist.addressed.receive(actor, bucket, address, declared, body)


def _content(sent: Sent, limit: int) -> tuple[Declared, AsyncIterable[bytes]]:
    """What is said of the file, and its bytes."""
    if sent.part is None:
        decoded = decode_base64(sent.arguments.file or "", limit=limit)
        declared = Declared(type=decoded.type or UNKNOWN, size=len(decoded.content), door=Door.BASE64)
        return declared, body_of(decoded.content)
    body = sent.part.body
    declared = Declared(type=sent.part.type, size=sent.part.size, door=Door.FORM)
    return declared, body_of(body) if isinstance(body, bytes) else body


def _uploaded(kist: Kist, file: File) -> Reply:
    link = kist.downloads.signed(file, link_life(kist, LONG))
    return Reply.json(PutResult(f'"{file.etag}"', link))


def _check_both(sent: Sent) -> None:
    if not sent.arguments.name or (sent.part is None and not sent.arguments.file):
        raise Invalid(REQUIRED)
    if sent.part is not None and sent.arguments.file:
        raise one_file()


def _own_address(user: Actor, arguments: Arguments) -> str:
    """Where the user's file of that name is: below their id, which no name leads out of."""
    name = _name(arguments)
    if "/" in name:
        raise NotAllowed(SLASH)
    return f"{user.id}/{name}"


def _name(arguments: Arguments) -> str:
    if not arguments.name:
        raise Invalid("name is required")
    return clean_name(arguments.name)
