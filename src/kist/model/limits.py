"""What the operator allows, and the spans of time that the lifecycle is built on."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from kist.model.file import Visibility

GIB = 1024**3


TIB = 1024 * GIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one Kist. Sizes in bytes; None means no limit.

    ``max_upload_size``: the largest file that a proxied upload may bring; ``max_direct_size``: the largest that a
    ticket may. ``max_base64_size``: the largest file sent as base64, which is held in memory. ``types``: media types
    that are taken, ``image/*`` for all of a kind, empty for any. ``refuse_mismatch``: refuse content whose first bytes
    show another type than the declared one, instead of recording both. ``quota_bytes``, ``quota_files``: what one
    owner may hold; ``open_uploads``: how many uploads may be open for one owner at a time. ``visibilities``: what
    users may choose. ``bucket_acls``: the bucket holds ACLs, so the visibility is signed into uploads as well.
    ``buckets_by_admins``: only admins make buckets.

    ``lease``: how long an upload may show no sign of life, or one attempt to seal it may take, before somebody else
    takes it over. ``ticket_life``: how long what a ticket signs is valid; ``upload_life``: how long an upload in parts
    may go on. ``patience``: how long a call of complete waits for another that is ahead of it. ``late_write``: how
    long after it was given up a write may still be carried out by a store. ``read_grace``: how long replaced and
    removed bytes stay, so that open reads finish. ``repeat_life``: how long an idempotency key is remembered;
    ``ended_life``: the same for ended uploads and links. ``link_life``: of a link when none is asked for, at most
    ``link_life_max``. ``link_window``: how long the address that a link leads to stays the same; it is valid twice
    as long. ``stray_life``: how old an object of Kist's without a row must be before it is taken for a stray one.
    ``trash_life``: how long what a sync has replaced or deleted can be brought back.
    """

    max_upload_size: int = 5 * GIB
    max_direct_size: int = 5 * TIB
    max_base64_size: int = 10 * 1024**2
    types: tuple[str, ...] = ()
    refuse_mismatch: bool = False
    quota_bytes: int | None = None
    quota_files: int | None = None
    open_uploads: int | None = 100
    visibilities: tuple[Visibility, ...] = (
        Visibility.PRIVATE,
        Visibility.PUBLIC_READ,
        Visibility.AUTHENTICATED_READ,
    )
    bucket_acls: bool = False
    buckets_by_admins: bool = False
    lease: timedelta = timedelta(minutes=2)
    ticket_life: timedelta = timedelta(hours=1)
    upload_life: timedelta = timedelta(hours=24)
    patience: timedelta = timedelta(seconds=10)
    late_write: timedelta = timedelta(minutes=15)
    read_grace: timedelta = timedelta(hours=1)
    repeat_life: timedelta = timedelta(hours=24)
    ended_life: timedelta = timedelta(days=7)
    link_life: timedelta = timedelta(hours=1)
    link_life_max: timedelta = timedelta(days=7)
    link_window: timedelta = timedelta(seconds=30)
    stray_life: timedelta = timedelta(hours=25)
    trash_life: timedelta = timedelta(days=7)

    def takes(self, type: str) -> bool:
        """Whether a media type is among those that are taken."""
        return not self.types or type in self.types or f"{type.partition('/')[0]}/*" in self.types
