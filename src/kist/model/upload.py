"""An upload: how bytes are coming in for a file."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from kist.model.file import Visibility
from kist.model.place import Place


class Door(StrEnum):
    FORM = "form"
    RAW = "raw"
    BASE64 = "base64"
    TICKET = "ticket"


class Way(StrEnum):
    """How the holder of a ticket sends the bytes."""

    FORM = "form"
    PUT = "put"
    PARTS = "parts"


class UploadState(StrEnum):
    OPEN = "open"
    SEALING = "sealing"
    DONE = "done"
    REFUSED = "refused"
    ABORTED = "aborted"
    EXPIRED = "expired"


class Repeat(msgspec.Struct, frozen=True):
    """An idempotency key and the fingerprint of the request that it stands for."""

    key: str
    fingerprint: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller says of bytes before sending them.

    ``size`` in bytes, ``sha256`` and ``md5`` in lower-case hex, None where not declared.
    """

    type: str = "application/octet-stream"
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    door: Door = Door.RAW


class Intent(Declared, frozen=True, kw_only=True):
    """What a caller says of a new file before sending it.

    ``bucket`` None means the base bucket. ``repeat`` makes the request safe to send again. ``file_id``: a UUID4 that
    an application has given the file already, None for a new one; no dialect lets callers choose it.
    """

    name: str
    bucket: str | None = None
    visibility: Visibility = Visibility.PRIVATE
    metadata: dict[str, str] = {}
    repeat: Repeat | None = None
    file_id: str | None = None


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload as the catalogue holds it.

    ``bucket`` and ``key`` say where the bytes arrive. ``deadline``: when an unfinished upload may be ended by the
    expire chore; a proxied upload moves it on while bytes flow. ``reserved`` bytes are counted against the owner's
    quota until the upload ends. ``new`` is true when the upload makes its file, false when it replaces content.
    ``repeat_key`` is the idempotency key under which it was asked for.

    The rest belongs to tickets. ``way``: how the bytes come, None when they pass through Kist. ``expires_at``: when
    the last signature for it ends. ``parts_id`` and ``part_size``: of a multipart upload. ``target``: the key of the
    sealed object that the present attempt makes. ``settles``: nobody will call complete, so Kist tries by itself.
    ``reason``: why it was refused, a code and a sentence. ``ended_at``: when it was completed, refused or ended.
    ``address``: of its file, for contracts that address by name.
    """

    id: str
    file_id: str
    owner: str
    actor: str
    door: Door
    state: UploadState
    bucket: str
    key: str
    new: bool
    name: str
    type: str
    size: int | None
    sha256: str | None
    max_size: int
    reserved: int
    started_at: datetime
    deadline: datetime
    repeat_key: str | None = None
    way: Way | None = None
    md5: str | None = None
    expires_at: datetime | None = None
    parts_id: str | None = None
    part_size: int | None = None
    target: str | None = None
    settles: bool = False
    reason: str | None = None
    ended_at: datetime | None = None
    address: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.bucket, self.key)
