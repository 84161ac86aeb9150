"""A bucket that somebody owns."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class BucketState(StrEnum):
    """``making`` and ``removing``: a change that the store has to carry out as well is under way, or was cut off."""

    MAKING = "making"
    READY = "ready"
    REMOVING = "removing"


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket as the catalogue holds it.

    ``owner`` is empty for one that the store holds and nobody made here. ``dialect`` names the contract that keeps it
    for itself: only admins see it, and its files are reached by that contract's addresses.
    """

    name: str
    owner: str
    created_at: datetime
    state: BucketState = BucketState.READY
    dialect: str | None = None
