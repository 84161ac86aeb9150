"""The contract of DabApps' django-s3-file-upload: ask for an upload, post the form, complete, fetch.

Errors are those of Django REST framework: ``{"detail": …}``, or the wrong fields with a list of sentences each.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from typing import Any

import msgspec

from kist.dialects.rest_framework import MOST_SHOWN, sent_fields
from kist.errors import (
    BadName,
    FileMissing,
    Incomplete,
    InProgress,
    Invalid,
    KistError,
    Missing,
    NotSignedIn,
    OverQuota,
    TooLarge,
    TooMany,
    UnsafeWay,
    UploadMissing,
    UploadRefused,
    WrongMethod,
    WrongType,
)
from kist.model.file import Visibility
from kist.model.limits import Limits
from kist.model.media import UNKNOWN
from kist.model.names import MAX_CHARACTERS, clean_name
from kist.model.ticket import Ticket
from kist.model.upload import Intent, Way
from kist.service.kist import Kist
from kist.service.tickets import Wish
from kist.wire.call import Call
from kist.wire.download import shown_as
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Dialect, Route
from kist.wire.statuses import retry_after, status_of

MOUNTS = {"dabapps": "/s3-file-uploads", "dabapps-api": "/api/s3-file-uploads"}
"""Where the contract is served, by the beginning of its routes' names: its document says the one, its client calls
the other."""
FILE_KEY = "file_key"
"""The label that a caller may give, in the metadata of the file. It never chooses where the bytes lie."""
UNNAMED = "unnamed"
"""What a file is called that came without a name: the contract lets it be empty, Kist does not."""
MAX_BODY = 64 << 10
MOST_DIGITS = 15
"""Of an actor id that is given as a number: JavaScript, the contract's client, reads no longer ones exactly."""

_TYPES = MimeTypes().types_map[True]
"""Media types by extension: Python's own table, not the machine's, so that all machines say the same."""


class NewFile(msgspec.Struct, frozen=True):
    """An upload to ask for; other fields are passed over."""

    acl: Visibility = Visibility.PRIVATE
    filename: str = ""
    file_key: str = ""


class UploadForm(msgspec.Struct, frozen=True):
    """Where to post what: the fields in their order, then the part ``file``."""

    url: str
    fields: dict[str, str]


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that was asked for. ``file`` leads to the file once the upload is complete."""

    id: str
    created: str
    modified: str
    complete_url: str
    file: str
    file_key: str
    file_path: str
    filename: str
    upload_form: UploadForm
    user: int | str


class Completed(msgspec.Struct, frozen=True):
    """The answer to complete."""

    status: str = "COMPLETED"


class Detail(msgspec.Struct, frozen=True):
    """Every error that is not about fields."""

    detail: str


async def create(call: Call, kist: Kist, *, mount: str) -> Reply:
    """Give out a form. The upload is the caller's, whatever the body says of users."""
    asked = _checked(await sent_fields(call), kist.limits)
    intent = Intent(
        name=asked.filename or UNNAMED,
        type=type_of(asked.filename),
        visibility=asked.acl,
        metadata={FILE_KEY: asked.file_key} if asked.file_key else {},
    )
    wish = Wish(way=Way.FORM, life=kist.contracts.form_life)
    ticket = await kist.tickets.begin(call.actor, intent, wish)
    return Reply.json(_created(ticket, asked, call, mount), status=201)


async def fetch(call: Call, kist: Kist) -> Reply:
    """Send the caller on to where the store gives the bytes of a complete file, to be saved."""
    file = await kist.files.get(call.actor, call.params["id"])
    await kist.downloads.note_read(call.actor, file)
    address = kist.downloads.signed(file, kist.contracts.form_life, shown_as=shown_as(file))
    return Reply.empty(302, [("location", address)])


async def complete(call: Call, kist: Kist) -> Reply:
    """Make the file ready out of what was posted. What is complete cannot be completed again."""
    await kist.tickets.complete_file(call.actor, call.params["id"])
    return Reply.json(Completed())


def show_error(error: KistError, call: Call) -> Reply:
    """Errors as Django REST framework says them; bad input is 400 here, whatever is wrong with it."""
    fields = error.about.get("fields")
    plain_input = isinstance(error, Invalid) and not isinstance(error, TooLarge | WrongType | WrongMethod)
    body = fields or Detail(_sentence(error, call))
    return Reply.json(body, status=400 if plain_input else status_of(error), headers=retry_after(error))


def _sentence(error: KistError, call: Call) -> str:
    """The framework's own words where clients may compare them, else ours."""
    match error:
        case FileMissing() | UploadMissing():
            return "No UploadedFile matches the given query."
        case Missing():
            return "Not found."
        case WrongMethod():
            return f'Method "{call.method[:20]}" not allowed.'
        case NotSignedIn() if call.headers.get("authorization") is None:
            return "Authentication credentials were not provided."
    return error.message


def _checked(sent: dict[str, Any], limits: Limits) -> NewFile:
    """What is asked for, or ``Invalid`` with a sentence for each field that is wrong."""
    wrong: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    checks: dict[str, Callable[[Any], Any]] = {
        "acl": partial(_visibility, limits.visibilities),
        "filename": _label,
        "file_key": lambda given: _label(given or ""),  # the contract's own server never looks at it
    }
    for name, check in checks.items():
        if name in sent:
            try:
                values[name] = check(sent[name])
            except Invalid as error:
                wrong[name] = [error.message]
    if wrong:
        raise Invalid("some fields are wrong", fields=wrong)
    return NewFile(**values)


def _visibility(allowed: tuple[Visibility, ...], given: object) -> Visibility:
    _refuse_null(given)
    for visibility in allowed:
        if visibility == given:
            return visibility
    raise Invalid(f'"{str(given)[:MOST_SHOWN]}" is not a valid choice.')


def _label(given: object) -> str:
    """A name, as it was given; it may be empty. Numbers are read as text, as the framework does."""
    _refuse_null(given)
    if not isinstance(given, str | int | float) or isinstance(given, bool):
        raise Invalid("Not a valid string.")
    text = str(given)
    if len(text) > MAX_CHARACTERS:
        raise Invalid(f"Ensure this field has no more than {MAX_CHARACTERS} characters.")
    if text:
        clean_name(text)
    return text


def _refuse_null(given: object) -> None:
    if given is None:
        raise Invalid("This field may not be null.")


def type_of(name: str) -> str:
    """The media type by the extension: the contract's client never says one."""
    return _TYPES.get(PurePosixPath(name).suffix.lower(), UNKNOWN)


def _created(ticket: Ticket, asked: NewFile, call: Call, mount: str) -> Created:
    upload = ticket.upload
    path = f"{mount}/{upload.file_id}/"
    address = f"{call.base_url}{path}"
    moment = _moment(upload.started_at)
    return Created(
        id=upload.file_id,
        created=moment,
        modified=moment,
        complete_url=f"{address}complete/",
        file=address,
        file_key=asked.file_key,
        file_path=call.prefix + path,
        filename=asked.filename,
        upload_form=UploadForm(ticket.url or "", dict(ticket.fields)),
        user=_user(upload.owner),
    )


def _moment(time: datetime) -> str:
    """A time in UTC as ISO 8601, always with microseconds."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _user(actor: str) -> int | str:
    """The actor's id, as a number where it can be one: the contract's users are numbered."""
    numbered = actor.isdigit() and len(actor) <= MOST_DIGITS and str(int(actor)) == actor
    return int(actor) if numbered else actor


def _routes(name: str, mount: str) -> tuple[Route, ...]:
    return (
        Route(
            method="POST",
            path=mount,
            handler=partial(create, mount=mount),
            name=f"{name}-create",
            summary="Ask for an upload: a form for the store, and where to complete it",
            body=BodyKind.SMALL,
            cap=MAX_BODY,
            accepts=NewFile,
            answers=Created,
            status=201,
            errors=(Invalid, BadName, WrongType, TooMany, OverQuota, UnsafeWay),
        ),
        Route(
            method="GET",
            path=f"{mount}/{{id}}",
            handler=fetch,
            name=f"{name}-fetch",
            summary="Go to the bytes of a file, to be saved",
            status=302,
            errors=(FileMissing,),
        ),
        Route(
            method="POST",
            path=f"{mount}/{{id}}/complete",
            handler=complete,
            name=f"{name}-complete",
            summary="Make the file ready out of what was posted",
            answers=Completed,
            errors=(FileMissing, Incomplete, UploadRefused, InProgress),
        ),
    )


def dialect_at(mount: str) -> Dialect:
    """The contract at one mount alone, for hosts that have URL confs of their own. Empty: right below the base URL."""
    return Dialect(name="dabapps", show_error=show_error, routes=_routes("dabapps", mount))


DIALECT = Dialect(
    name="dabapps",
    show_error=show_error,
    routes=tuple(route for name, mount in MOUNTS.items() for route in _routes(name, mount)),
)
