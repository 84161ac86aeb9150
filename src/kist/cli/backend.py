"""What commands need of a Kist, whether it is the local home or a server far away."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from kist.dialects.native.buckets import BucketShape, NewBucket
from kist.dialects.native.links import LinkRow, MadeLinksShape, NewLinks
from kist.dialects.native.shapes import FileShape, KeyShape, MadeKey
from kist.dialects.native.shares import NewShare, ShareShape
from kist.dialects.native.sync_steps import StepShape
from kist.dialects.native.syncs import JobShape, NewSync
from kist.errors import Invalid
from kist.system import SystemIds

BLOCK = 512 * 1024
LOOK = 0.5
"""Seconds between two looks at a job that somebody else carries out."""


class Source:
    """Bytes to put: a file of this machine, or a stream that can be read once. ``size`` None: not known."""

    def __init__(
        self,
        name: str,
        open_bytes: Callable[[], BinaryIO],
        *,
        size: int | None,
        type: str | None = None,
        path: Path | None = None,
    ) -> None:
        self.name = name
        self.size = size
        self.type = type or mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"
        self.path = path
        self.sha256 = ""
        self.repeat_key = SystemIds().uuid()
        """Tells a server that a second try is for the same file."""
        self.passed: Callable[[int], None] = lambda count: None
        """Told how many bytes have passed, each time some have."""
        self._open = open_bytes

    @property
    def again(self) -> bool:
        """Whether it can be read a second time."""
        return self.path is not None

    def blocks(self) -> Generator[bytes, None, None]:
        """The bytes. Once they were read to the end, ``sha256`` is theirs; until then it is empty.

        Blocks its thread. ``Invalid`` when they cannot be read.
        """
        digest = sha256()
        self.sha256 = ""
        try:
            with self._open() as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
                    self.passed(len(block))
                    yield block
        except OSError as error:
            raise Invalid(f"it cannot be read: {error.strerror}") from error
        self.sha256 = digest.hexdigest()


@dataclass
class Content:
    """Bytes on their way to us. ``start`` is where they begin, which may be earlier than was asked for."""

    start: int
    body: AsyncIterator[bytes]


class Backend(Protocol):
    """Every method raises errors of ``kist.errors``, the same ones for the same reason on both sides."""

    @property
    def where(self) -> str:
        """What this is, for people: a folder or a URL."""

    @property
    def is_local(self) -> bool:
        """Whether its folders are those of this machine."""

    async def me(self) -> str:
        """The id of the actor as whom everything is done."""

    async def file(self, file_id: str) -> FileShape:
        """The file with this id, or ``FileMissing``."""

    def files(
        self, *, text: str | None = None, owner: str | None = None, sort: str = "name", limit: int | None = None
    ) -> AsyncIterator[FileShape]:
        """The files that may be seen, fetched page by page. ``text``: part of the name, in any case."""

    async def put(self, source: Source) -> FileShape:
        """Make a file of these bytes."""

    async def replace(self, file: FileShape, source: Source) -> FileShape:
        """Give a file these bytes. ``Stale`` when it is no longer the one in ``file``."""

    async def open(self, file: FileShape, start: int = 0) -> Content:
        """Its bytes from ``start`` on, ``start`` being less than its size. ``Stale`` when it has been replaced.

        The body ends early only by raising.
        """

    async def rename(self, file_id: str, name: str) -> FileShape:
        """Give it another name."""

    async def remove(self, file_id: str) -> None:
        """Remove it."""

    async def keys(self) -> tuple[KeyShape, ...]:
        """All keys that are not revoked."""

    async def make_key(self, actor: str, *, admin: bool, label: str, expires_at: datetime | None) -> MadeKey:
        """Make a key; the answer holds it this once."""

    async def revoke_key(self, key_id: str) -> None:
        """End a key at once."""

    async def shares(self, file_id: str) -> tuple[ShareShape, ...]:
        """With whom a file is shared."""

    async def share(self, file_id: str, actor: str, wanted: NewShare) -> ShareShape:
        """Let an actor do this to a file, and nothing else."""

    async def withdraw(self, file_id: str, actor: str) -> None:
        """Take a share back."""

    async def make_links(self, wanted: NewLinks) -> MadeLinksShape:
        """A link for each file, or the problem that there is."""

    async def links(self) -> tuple[LinkRow, ...]:
        """My newest links, at most a thousand."""

    async def revoke_link(self, link_id: str) -> None:
        """End a link at once."""

    async def buckets(self) -> tuple[BucketShape, ...]:
        """The buckets that may be seen."""

    async def make_bucket(self, wanted: NewBucket) -> BucketShape:
        """Make a bucket."""

    async def drop_bucket(self, name: str) -> None:
        """Remove an empty bucket."""

    async def sync(self, wanted: NewSync) -> JobShape:
        """A new job. Nobody here carries it out before ``follow``."""

    async def undo_job(self, job: str) -> JobShape:
        """A new job that takes back what that one did."""

    async def confirm_job(self, job: str, plan: str | None = None) -> JobShape:
        """Say yes to the plan of a job. ``Clash`` when it is not ``plan``, where one is named."""

    async def cancel_job(self, job: str) -> JobShape:
        """End a job before its next operation."""

    async def resume_job(self, job: str) -> JobShape:
        """Go on with a job."""

    async def job(self, job: str) -> JobShape:
        """The job with this id or number, or ``JobMissing``."""

    def jobs(self) -> AsyncIterator[JobShape]:
        """The jobs that may be seen, newest first, fetched page by page."""

    def steps(self, job: str) -> AsyncIterator[StepShape]:
        """What a job is to do and what became of it, by key, fetched page by page."""

    async def follow(self, job: str, told: Callable[[JobShape], None]) -> JobShape:
        """See a job to its end, or to where it waits for a yes; ``told`` hears how far it is.

        A job of the local home is carried out here, unless somebody has it already.
        """

    async def close(self) -> None:
        """Free what is held."""
