"""The smaller rows: keys, usage, doomed places, idempotency records, audit entries, sealed keys, latches."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kist.model.actor import Role
from kist.model.place import Place


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A credential. The secret is not kept, only ``digest``: SHA-256 of it in lower-case hex."""

    id: str
    actor: str
    role: Role
    digest: str
    created_at: datetime
    label: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner holds: ``bytes`` of ready files and reservations, ``files`` ready, ``uploads`` open."""

    owner: str
    bytes: int = 0
    files: int = 0
    uploads: int = 0


class Doomed(msgspec.Struct, frozen=True, kw_only=True):
    """A place whose bytes are to be erased, not before ``not_before``.

    ``unfinished``: a put may have been cut off there, so leftovers are to be cleared as well.
    """

    id: str
    bucket: str
    key: str
    not_before: datetime
    unfinished: bool = False

    @property
    def place(self) -> Place:
        return Place(self.bucket, self.key)


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """An ``Idempotency-Key`` that was used. ``answer`` is None while the request is being carried out."""

    actor: str
    key: str
    fingerprint: str
    created_at: datetime
    answer: bytes | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An admin did something to what belongs to somebody else, or a link was used: then ``actor`` is empty.

    ``via``: the key or the link by which it was done. ``times``: how often, where uses are written down together.
    """

    id: str
    at: datetime
    actor: str
    via: str | None
    action: str
    thing: str
    owner: str
    times: int = 1


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """What is exchanged, by a new ``stamp``, together with something that only one may decide at a time.

    Whoever has read it before deciding finds out by a clash that somebody else has decided meanwhile.
    """

    name: str
    stamp: str


class SealedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys for another S3 server that a job was given, encrypted. They go when the job ends, however it ends."""

    job: str
    sealed: bytes


class Held(msgspec.Struct, frozen=True):
    """An object that a file says it has. ``lost``: the file is known to have lost it."""

    key: str
    size: int
    file_id: str
    lost: bool = False


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What waits: ``open_uploads`` and the ``reserved_bytes`` they hold, ``doomed`` places and how many are ``due``."""

    files: int
    bytes: int
    open_uploads: int
    reserved_bytes: int
    doomed: int
    due: int
