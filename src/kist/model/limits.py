"""What the operator allows, and the spans of time that the lifecycle is built on."""

from __future__ import annotations

from datetime import timedelta

import msgspec

GIB = 1024**3


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one Kist. Sizes in bytes.

    ``max_upload_size``: the largest file that a proxied upload may bring. ``max_base64_size``: the largest file sent
    as base64, which is held in memory. ``refuse_mismatch``: refuse content whose first bytes show another type than
    the declared one, instead of recording both. ``lease``: how long an upload may show no sign of life before it is
    ended. ``late_write``: how long after it was given up a write may still be carried out by a store. ``read_grace``:
    how long replaced and removed bytes stay, so that open reads finish. ``repeat_life``: how long an idempotency key
    is remembered.
    """

    max_upload_size: int = 5 * GIB
    max_base64_size: int = 10 * 1024**2
    refuse_mismatch: bool = False
    lease: timedelta = timedelta(minutes=2)
    late_write: timedelta = timedelta(minutes=15)
    read_grace: timedelta = timedelta(hours=1)
    repeat_life: timedelta = timedelta(hours=24)
