"""What the native API says and hears of uploads by ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kist.model.content import PartRef
from kist.model.file import Visibility
from kist.model.ticket import FIRST_PARTS, SignedPart, Ticket
from kist.model.upload import Upload

_Size = Annotated[int, Meta(ge=0, le=(1 << 63) - 1, description="bytes")]


class NewUpload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An upload to begin: of a new file, or of new content for ``file``."""

    name: Annotated[str | None, Meta(description="needed for a new file")] = None
    size: _Size | None = None
    type: Annotated[str | None, Meta(description="media type; then the store takes no other")] = None
    sha256: Annotated[str | None, Meta(description="lower-case hex; compared at complete")] = None
    md5: Annotated[str | None, Meta(description="hex; signed into a put, compared at complete")] = None
    bucket: str | None = None
    file: Annotated[str | None, Meta(description="id of a file to replace the content of")] = None
    way: Annotated[
        Literal["auto", "form", "put", "parts"], Meta(description="auto: the safest that the store holds")
    ] = "auto"
    visibility: Visibility = Visibility.PRIVATE
    metadata: dict[str, str] = {}


class PartShape(msgspec.Struct, frozen=True):
    """Where one part is to be put, and with which headers."""

    number: int
    url: str
    headers: dict[str, str]


class TicketShape(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to send where. Send exactly these headers, or these fields and then the part ``file``; then complete."""

    id: Annotated[str, Meta(description="of the upload")]
    file: Annotated[str, Meta(description="id of the file that it makes")]
    way: str
    expires_at: Annotated[datetime, Meta(description="when what is signed here expires")]
    complete_url: str
    method: str | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    fields: Annotated[dict[str, str] | None, Meta(description="of the form, before the part file")] = None
    part_size: Annotated[int | None, Meta(description="of every part but the last")] = None
    part_count: int | None = None
    parts: Annotated[tuple[PartShape, ...] | None, Meta(description="the first of them")] = None


class PartNumbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parts to sign."""

    numbers: Annotated[tuple[int, ...], Meta(min_length=1, max_length=FIRST_PARTS)]


class SignedParts(msgspec.Struct, frozen=True):
    """The parts that were asked for, signed."""

    parts: tuple[PartShape, ...]


class Received(msgspec.Struct, frozen=True):
    """A part that has arrived."""

    number: int
    etag: str
    size: int


class UploadShape(msgspec.Struct, frozen=True):
    """How an upload stands."""

    id: str
    file: str
    state: str
    way: str
    name: str
    size: int | None
    type: str
    reason: Annotated[str | None, Meta(description="why it was refused: a code and a sentence")]
    part_size: int | None
    received: Annotated[tuple[Received, ...], Meta(description="the parts that have arrived")]
    started_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


class SentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part as the client knows it."""

    number: int
    etag: str


class Completion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the client knows of its parts. It may know nothing: the store is asked."""

    parts: tuple[SentPart, ...] = ()


def shape_part(part: SignedPart) -> PartShape:
    """A signed part as the native API shows it."""
    return PartShape(part.number, part.url, dict(part.headers))


def shape_ticket(ticket: Ticket, count: int | None, base_url: str) -> TicketShape:
    """A ticket as the native API shows it. ``count``: of its parts, None where it has none."""
    upload = ticket.upload
    return TicketShape(
        id=upload.id,
        file=upload.file_id,
        way=str(upload.way),
        expires_at=ticket.expires_at,
        complete_url=f"{base_url}/v1/uploads/{upload.id}/complete",
        method=ticket.method,
        url=ticket.url,
        headers=dict(ticket.headers) if ticket.headers else None,
        fields=dict(ticket.fields) if ticket.fields else None,
        part_size=upload.part_size,
        part_count=count,
        parts=tuple(map(shape_part, ticket.parts)) if count else None,
    )


def shape_upload(upload: Upload, received: tuple[PartRef, ...]) -> UploadShape:
    """An upload as the native API shows it."""
    return UploadShape(
        upload.id,
        upload.file_id,
        upload.state.value,
        str(upload.way),
        upload.name,
        upload.size,
        upload.type,
        upload.reason,
        upload.part_size,
        tuple(Received(part.number, part.etag, part.size) for part in received),
        upload.started_at,
        upload.expires_at,
        upload.ended_at,
    )
