"""Removing objects, and the folders that only they needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from kist.errors import BucketMissing
from kist.model.place import RESERVED, Place
from kist.stores.disk.facts import is_object
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import NOT_THERE, existing, split

_RESERVED = RESERVED.rstrip("/").encode()


@translated
def erase(root: Path, places: Iterable[Place]) -> None:
    """Remove objects, durably, syncing each folder once. Those absent are fine; links are no objects and stay."""
    by_folder: dict[tuple[str, tuple[bytes, ...]], list[bytes]] = {}
    for place in places:
        folders, name = split(place.key)
        by_folder.setdefault((place.bucket, tuple(folders)), []).append(name)
    for (bucket, parents), names in by_folder.items():
        if _erase_in(root, bucket, parents, names):
            _prune(root, bucket, parents)


def _erase_in(root: Path, bucket: str, parents: Sequence[bytes], names: Sequence[bytes]) -> bool:
    """Whether anything was there to remove."""
    try:
        with existing(root, bucket, parents) as here:
            erased = [name for name in names if _erase_one(here, name)]
            if erased:
                os.fsync(here)
            return bool(erased)
    except BucketMissing:
        return False
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise


def _erase_one(here: int, name: bytes) -> bool:
    try:
        if not is_object(os.stat(name, dir_fd=here, follow_symlinks=False)):
            return False
        os.unlink(name, dir_fd=here)
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise
    return True


def _prune(root: Path, bucket: str, parents: Sequence[bytes]) -> None:
    """Remove the folders that are empty now, from the innermost out. Those of Kist stay: they are soon needed again."""
    if parents[:1] == (_RESERVED,):
        return
    with suppress(OSError, BucketMissing):  # not empty, or removed by somebody else: nothing is left to do
        for depth in range(len(parents), 0, -1):
            with existing(root, bucket, parents[: depth - 1]) as here:
                os.rmdir(parents[depth - 1], dir_fd=here)
