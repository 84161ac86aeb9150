"""Listing a bucket in the order of whole keys, a page at a time.

Within a folder, files sort by their name and folders by their name with a slash at its end: walked in that order the
keys come out sorted by their bytes (``a-b``, ``a.b``, ``a/b``). No descriptor is held between pages, and of a folder
no more than ``HELD`` names are in memory: a larger one is read again for the next names.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kist.errors import BadName
from kist.model.content import Listed
from kist.stores.disk.facts import etag_of, is_object, modified_of
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import NOT_THERE, existing, open_bucket

PAGE = 512
HELD = 65_536


@dataclass(slots=True)
class _Folder:
    """A folder on the way: ``names`` are the next ones, last first; a folder's name ends with a slash."""

    parts: tuple[bytes, ...]
    names: list[bytes] = field(default_factory=list)
    seen: bytes = b""
    whole: bool = False

    @property
    def key(self) -> bytes:
        return b"".join(part + b"/" for part in self.parts)


class Walk:
    """One listing under way."""

    def __init__(self, root: Path, bucket: str, prefix: str, after: str) -> None:
        self._root = root
        self._bucket = bucket
        self._prefix = _utf8(prefix)
        self._after = _utf8(after)
        *parts, _ = self._prefix.split(b"/")
        legal = not any(part in (b"", b".", b"..") or b"\0" in part for part in parts)
        self._way = [_Folder(tuple(parts))] if legal else []

    @translated
    def page(self) -> list[Listed]:
        """The next objects, none when the end is reached."""
        os.close(open_bucket(self._root, self._bucket))
        found: list[Listed] = []
        while self._way and len(found) < PAGE:
            folder = self._way[-1]
            try:
                with existing(self._root, self._bucket, folder.parts) as here:
                    self._read(folder, here, found)
            except OSError as error:
                if error.errno not in NOT_THERE:
                    raise
                self._way.pop()  # removed since its name was read
        return found

    def _read(self, folder: _Folder, here: int, found: list[Listed]) -> None:
        """Go on in ``folder`` until a folder in it comes next, the page is full or the end is reached."""
        if not folder.names:
            self._look(folder, here)
        if not folder.names:
            self._way.remove(folder)
        while folder.names and len(found) < PAGE:
            name = folder.names.pop()
            if name.endswith(b"/"):
                self._way.append(_Folder((*folder.parts, name[:-1])))
                return
            found.extend(_listed(here, name, folder.key + name))

    def _look(self, folder: _Folder, here: int) -> None:
        """Read the next names of ``folder`` that can matter."""
        if folder.whole:
            return
        key = folder.key
        wanted = (name for name in _names(here) if name > folder.seen and self._matters(key + name))
        folder.names = heapq.nsmallest(HELD, wanted)
        folder.whole = len(folder.names) < HELD
        if folder.names:
            folder.seen = folder.names[-1]
        folder.names.reverse()

    def _matters(self, key: bytes) -> bool:
        """Whether ``key``, or a key beneath it when it ends with a slash, is asked for."""
        if not (key.startswith(self._prefix) or (key.endswith(b"/") and self._prefix.startswith(key))):
            return False
        return key > self._after or (key.endswith(b"/") and self._after.startswith(key))


def _names(here: int) -> Iterator[bytes]:
    with os.scandir(here) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield os.fsencode(entry.name) + b"/"
            elif entry.is_file(follow_symlinks=False):
                yield os.fsencode(entry.name)


def _listed(here: int, name: bytes, key: bytes) -> Iterator[Listed]:
    try:
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return
    if is_object(status):
        # Names that are no UTF-8 are shown with lone surrogates: a ``Place`` refuses them, nobody mistakes them.
        text = key.decode("utf-8", "surrogateescape")
        yield Listed(key=text, size=status.st_size, etag=etag_of(status), modified=modified_of(status))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadName("the prefix or the start of a listing is not valid Unicode") from error
