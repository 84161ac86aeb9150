"""What a job is between."""

from __future__ import annotations

from dataclasses import dataclass

from kist.ports.tree import Tree
from kist.sync.bucket import BucketTree
from kist.sync.folder import FolderTree


@dataclass(frozen=True)
class Sides:
    """Where the files come from, and where they go."""

    source: Tree
    dest: FolderTree | BucketTree
