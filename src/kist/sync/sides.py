"""What a job is between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kist.ports.tree import Tree
from kist.sync.bucket import BucketTree
from kist.sync.folder import FolderTree


class Removes(Protocol):
    """What removes the bucket itself, once its objects are gone."""

    async def check(self) -> None:
        """Raise unless the bucket is one that may be removed: made here, not the base bucket, without files of Kist."""

    async def drop(self) -> None:
        """Remove what jobs have put aside, then the bucket; one that is gone is fine. ``BucketNotEmpty``."""


@dataclass(frozen=True)
class Sides:
    """Where the files come from, and where they go."""

    source: Tree
    dest: FolderTree | BucketTree
    removal: Removes | None = None
    """What removes the destination's bucket, where the job may do that."""
