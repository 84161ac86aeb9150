"""The folders that the operator has named for syncs, and the way from what a caller says to one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from kist.errors import SourceRefused
from kist.ports.roots import Resolved
from kist.ports.wiring import Aside

USUAL = "uploads"
"""The root that a bare path is below."""
MAX_PATH = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class SyncRoots:
    """``NamesFolders`` on local folders, which need not be there yet."""

    def __init__(self, folders: Mapping[str, Path], aside: Aside) -> None:
        self._folders = folders
        self._aside = aside

    async def resolve(self, source: str) -> Resolved:
        """See the port."""
        if _CONTROL.search(source) or len(source.encode()) > MAX_PATH:
            raise SourceRefused(f"a source is a path of at most {MAX_PATH} bytes without control characters")
        first, colon, rest = source.partition(":")
        name, path = (first, rest) if colon else (USUAL, source)
        if name not in self._folders:
            raise SourceRefused(
                f"there is no root {name[:64]!r}: write {' or '.join(f'{known}:…' for known in self._folders)}, "
                "or let the operator name it in KIST_SYNC_ROOTS"
            )
        if path.startswith("/") or ".." in path.split("/"):
            raise SourceRefused("a source is a path below its root: it does not begin with / and holds no ..")
        return await self._aside(_resolved, self._folders[name], path)

    async def within(self, path: str) -> Resolved:
        """See the port."""
        if _CONTROL.search(path) or len(path.encode()) > MAX_PATH:
            raise SourceRefused(f"a folder is a path of at most {MAX_PATH} bytes without control characters")
        return await self._aside(self._within, path)

    def _within(self, path: str) -> Resolved:
        found = os.path.realpath(path)
        for folder in self._folders.values():
            root = os.path.realpath(folder)
            if _is_below(found, root):
                return Resolved(found, root)
        names = ", ".join(self._folders)
        raise SourceRefused(f"this folder is in none of the roots ({names}) that KIST_SYNC_ROOTS names")


def _is_below(found: str, root: str) -> bool:
    return found == root or found.startswith(root.rstrip("/") + "/")


def _resolved(folder: Path, path: str) -> Resolved:
    root = os.path.realpath(folder)
    found = os.path.realpath(os.path.join(root, path))
    if not _is_below(found, root):
        raise SourceRefused("this source leads out of its root by a link")
    return Resolved(found, root)
