"""The verbs of ``UploadedFile``: what its methods ask of the service, as the file's owner.

Each call blocks, and is part of the caller's transaction where there is one. A form and a URL are only signed; what is
posted is looked at in the store when it is completed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from kist.dialects.dabapps import UNNAMED, type_of
from kist.django.composition import kist
from kist.django.following import FILE_KEY
from kist.django.rows import File as FileRow
from kist.django.states import AWAIT_COMPLETE, COMPLETED, NEW, NO_VERSION
from kist.drive import drive
from kist.errors import FileMissing, Invalid, UploadMissing, WrongState
from kist.model.actor import Actor
from kist.model.file import File, Visibility
from kist.model.ticket import Ticket
from kist.model.upload import Declared, Intent, Way
from kist.service.tickets import Wish
from kist.wire.body import body_of
from kist.wire.download import shown_as

NOBODY = "django"
"""The actor who owns files without a user."""


class UploadedFile(Protocol):
    """What is needed of the model of that name, which needs this module."""

    pk: Any
    user_id: Any
    filename: str
    file_key: str
    file_upload_state: str
    reupload_of: int | None
    _state: Any

    def save(self, *, update_fields: Sequence[str] | None = None) -> None:
        """Write the row."""


def owner_of(uploaded: UploadedFile) -> Actor:
    """The actor who owns the file: its user, or who owned it before the user's account went."""
    if uploaded.user_id is not None:
        return Actor(str(uploaded.user_id))
    return Actor(FileRow.objects.filter(pk=str(uploaded.pk)).values_list("owner", flat=True).first() or NOBODY)


def upload_form(uploaded: UploadedFile, acl: str, expiry: int) -> dict[str, Any]:
    """See ``UploadedFile.get_upload_form``."""
    wish = Wish(way=Way.FORM, life=_life(expiry))
    visibility = _visibility(acl)
    if uploaded._state.adding:
        uploaded.save()
    ticket = _ticket(uploaded, visibility, wish)
    _note(uploaded, AWAIT_COMPLETE)
    return {"url": ticket.url, "fields": dict(ticket.fields)}


def complete(uploaded: UploadedFile) -> None:
    """See ``UploadedFile.completed_upload``."""
    _demand(uploaded, AWAIT_COMPLETE)
    drive(kist().tickets.complete_file(owner_of(uploaded), str(uploaded.pk)))
    _note(uploaded, COMPLETED)


def permit_reupload(uploaded: UploadedFile) -> None:
    """See ``UploadedFile.permit_reupload``."""
    _demand(uploaded, NEW, COMPLETED)
    if uploaded.file_upload_state == NEW:
        uploaded.reupload_of = NO_VERSION
    else:
        uploaded.reupload_of = drive(kist().files.get(owner_of(uploaded), str(uploaded.pk))).version
    uploaded.file_upload_state = AWAIT_COMPLETE


def read_url(uploaded: UploadedFile, duration: int, *, inline: bool) -> str:
    """See ``UploadedFile.get_view_url`` and ``get_download_url``."""
    life = _life(duration)
    file = drive(kist().files.get(owner_of(uploaded), str(uploaded.pk)))
    return kist().downloads.signed(file, life, shown_as=shown_as(file, inline=inline))


def content(uploaded: UploadedFile) -> bytes:
    """The whole content of a complete file."""
    file = drive(kist().files.get(owner_of(uploaded), str(uploaded.pk)))
    return drive(_read(owner_of(uploaded), file))


def take(uploaded: UploadedFile, data: bytes) -> None:
    """Make ``data`` the content of a file that is new or complete. ``WrongState`` while a form is out for it."""
    _demand(uploaded, NEW, COMPLETED)
    owner, uploads = owner_of(uploaded), kist().uploads
    if uploaded.file_upload_state == NEW:
        drive(uploads.receive(owner, _intent(uploaded, Visibility.PRIVATE), body_of(data)))
    else:
        drive(uploads.replace(owner, str(uploaded.pk), Declared(type=type_of(uploaded.filename)), body_of(data)))
    _note(uploaded, COMPLETED)


async def _read(owner: Actor, file: File) -> bytes:
    opened = await kist().downloads.open(owner, file)
    try:
        return b"".join([block async for block in opened.body])
    finally:
        await opened.close()


def remove(uploaded: UploadedFile) -> None:
    """Remove the file of a row that is deleted, or end what was to become one.

    Content that is coming in through the site has no ticket to end: it finds no file when it is there.
    """
    owner, tickets = owner_of(uploaded), kist().tickets
    with suppress(FileMissing, UploadMissing):
        drive(tickets.abort(owner, drive(tickets.pending(owner, str(uploaded.pk))).id))
    with suppress(FileMissing):
        drive(kist().files.remove(owner, str(uploaded.pk)))


def _ticket(uploaded: UploadedFile, visibility: Visibility, wish: Wish) -> Ticket:
    tickets, owner, file_id = kist().tickets, owner_of(uploaded), str(uploaded.pk)
    if uploaded.file_upload_state == NEW:
        return drive(tickets.begin(owner, _intent(uploaded, visibility), wish))
    _demand(uploaded, AWAIT_COMPLETE)
    if uploaded.reupload_of in (None, NO_VERSION):
        try:
            return drive(tickets.again(owner, file_id, wish))
        except FileMissing:  # a form was permitted, and none was asked for yet
            return drive(tickets.begin(owner, _intent(uploaded, visibility), wish))
    try:
        under_way = drive(tickets.pending(owner, file_id))
    except FileMissing:
        return drive(tickets.replace(owner, file_id, Declared(type=type_of(uploaded.filename)), wish))
    return drive(tickets.ticket(owner, under_way.id, wish.life))


def _intent(uploaded: UploadedFile, visibility: Visibility) -> Intent:
    return Intent(
        file_id=str(uploaded.pk),
        name=uploaded.filename or UNNAMED,
        type=type_of(uploaded.filename),
        visibility=visibility,
        metadata={FILE_KEY: uploaded.file_key} if uploaded.file_key else {},
    )


def _visibility(acl: str) -> Visibility:
    try:
        return Visibility(acl)
    except ValueError as error:
        raise Invalid(f"there is no ACL {acl!r}: choose {', '.join(Visibility)}") from error


def _life(seconds: int) -> timedelta:
    if seconds < 1:
        raise Invalid("say for how many seconds: 1 or more")
    return timedelta(seconds=seconds)


def _demand(uploaded: UploadedFile, *states: str) -> None:
    if uploaded.file_upload_state not in states:
        raise WrongState(
            f"this file is {uploaded.file_upload_state}, not {' or '.join(states)}", state=uploaded.file_upload_state
        )


def _note(uploaded: UploadedFile, state: str) -> None:
    """Let the row say when this was, and the object where it stands."""
    uploaded.save(update_fields=["modified", "reupload_of"])
    uploaded.file_upload_state = state
