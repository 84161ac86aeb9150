"""One set of rules for every door: name, size, type, visibility, quota."""

from __future__ import annotations

from kist.errors import Invalid, TooLarge, WrongType
from kist.model.actor import Actor
from kist.model.address import Address
from kist.model.file import File, FileState
from kist.model.media import clean_type
from kist.model.metadata import check_metadata
from kist.model.names import clean_name
from kist.model.upload import Declared, Intent, Upload, UploadState
from kist.service.buckets import bucket_to_fill
from kist.service.files import check_visibility
from kist.service.ports import Ports


async def new_file(ports: Ports, actor: Actor, intent: Intent, key: str, at: Address | None = None) -> File:
    """The pending file that an upload is to make. ``BadName``, ``Invalid``, ``WrongType``, ``BucketMissing``.

    ``at``: the address where a contract puts it, whose bucket has been judged already.
    """
    bucket = await bucket_to_fill(ports, actor, intent.bucket) if at is None else at.bucket
    now = ports.clock.now()
    return File(
        id=intent.file_id or ports.ids.uuid(),
        name=clean_name(intent.name),
        owner=actor.id,
        bucket=bucket,
        key=key,
        state=FileState.PENDING,
        created_at=now,
        updated_at=now,
        type=checked_type(ports, intent.type),
        metadata=check_metadata(intent.metadata),
        visibility=check_visibility(ports, intent.visibility),
        address=None if at is None else at.text,
    )


def new_upload(ports: Ports, actor: Actor, declared: Declared, file: File, *, key: str, limit: int) -> Upload:
    """The row of an upload of at most ``limit`` bytes to ``key``, for a file that is pending or to be replaced.

    What is reserved is what the owner will hold more than now. ``TooLarge``, ``WrongType``.
    """
    if declared.size is not None and declared.size > limit:
        raise TooLarge(f"the file has {declared.size} bytes, at most {limit} are allowed here", limit=limit)
    now = ports.clock.now()
    is_new = file.state is FileState.PENDING
    return Upload(
        id=ports.ids.uuid(),
        file_id=file.id,
        owner=file.owner,
        actor=actor.id,
        door=declared.door,
        state=UploadState.OPEN,
        bucket=file.bucket,
        key=key,
        new=is_new,
        name=file.name,
        type=checked_type(ports, declared.type),
        size=declared.size,
        sha256=checked_digest(declared.sha256, 64, "sha256"),
        md5=checked_digest(declared.md5, 32, "md5"),
        max_size=limit,
        reserved=reserve(declared.size, file),
        started_at=now,
        deadline=now + ports.limits.lease,
        address=file.address,
    )


def reserve(size: int | None, file: File) -> int:
    """How many bytes more an upload of ``size`` will make the owner of ``file`` hold; 0 where that is not known."""
    held = 0 if file.state is FileState.PENDING else file.size
    return max(0, (size or 0) - held)


def checked_type(ports: Ports, declared: str | None) -> str:
    """The media type as it is kept. ``WrongType`` for one that the operator does not let in."""
    media_type = clean_type(declared)
    if not ports.limits.takes(media_type):
        raise WrongType(f"{media_type} is not taken here: only {', '.join(ports.limits.types)}")
    return media_type


def checked_digest(declared: str | None, length: int, name: str) -> str | None:
    """A declared digest in lower-case hex. ``Invalid`` when it is none."""
    if declared is None:
        return None
    digest = declared.lower()
    if len(digest) != length or not all(character in "0123456789abcdef" for character in digest):
        raise Invalid(f"{name} is {length} hexadecimal digits")
    return digest
