"""Walk a folder in the order of keys, from its descriptor down, following no link. It blocks: for a thread."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from operator import attrgetter
from stat import S_ISLNK, S_ISREG
from typing import NamedTuple

from kist.errors import BadName
from kist.model.place import MAX_KEY_BYTES, check_key
from kist.ports.tree import Item, Trouble
from kist.sync.local import FOLDER, item_of
from kist.sync.reserved import is_reserved

BATCH = 1000

_PLAIN = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._ -]*+/)*+").fullmatch
"""Most names, one after the other: seen at a glance to make keys."""
_SHORT = 512
"""Bytes of plain names above a file that leave room for its own in a key."""
_NAME = attrgetter("name")

Found = list[Item | Trouble]


class _Folder(NamedTuple):
    """A folder that is being walked, and what of it is still to come. ``plain``: all names in it make keys."""

    here: int
    prefix: str
    device: int
    entries: Iterator[os.DirEntry[str]]
    folders: frozenset[str]
    plain: bool


def walked(root: int, mounts: list[str]) -> Generator[Found, None, None]:
    """All files below, by key, a thousand at a time: within a folder, files by name and folders by name with a slash
    behind.

    ``mounts`` is told of the folders that are on another file system than the one around them. Not recursive: a tree
    may be deeper than the interpreter's stack.
    """
    found: Found = []
    way = [_listed(root, "", found)]
    try:
        while way:
            below = _walked_on(way[-1], found)
            if below is not None and (entered := _entered(way[-1], below, found)) is not None:
                way.append(entered)
                if entered.device != way[-2].device:
                    mounts.append(entered.prefix)
            elif below is None and len(found) < BATCH:
                os.close(way.pop().here)
            if len(found) >= BATCH:
                yield found
                found = []
    finally:
        for folder in way:
            os.close(folder.here)
    if found:
        yield found


def _walked_on(folder: _Folder, found: Found) -> str | None:
    """Look at files until ``found`` is full, the folder is at its end, or there is one to enter: its name."""
    prefix, folders, plain, room = folder.prefix, folder.folders, folder.plain, BATCH - len(found)
    for entry in folder.entries:
        name = entry.name
        if name in folders:
            return name
        found.append(_looked_at(entry, prefix + name, plain))
        room -= 1
        if not room:
            return None
    return None


def _listed(here: int, prefix: str, found: Found) -> _Folder:
    """What is in an open folder, by key; nothing, and a trouble in ``found``, where that cannot be told."""
    device = os.fstat(here).st_dev
    try:
        with os.scandir(here) as scanned:
            entries = list(scanned)
        folders = frozenset(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        found.append(Trouble(prefix or "/", f"cannot be listed: {error.strerror}", hides=True))
        return _Folder(here, prefix, device, iter(()), frozenset(), plain=False)
    if not prefix:
        entries = [entry for entry in entries if not is_reserved(entry.name)]
    if folders:
        entries.sort(key=lambda entry: f"{entry.name}/" if entry.name in folders else entry.name)
    else:
        entries.sort(key=_NAME)
    names = f"{prefix}{'/'.join(map(_NAME, entries))}/"
    plain = len(prefix) <= _SHORT and _PLAIN(names) is not None
    return _Folder(here, prefix, device, iter(entries), folders, plain)


def _entered(folder: _Folder, name: str, found: Found) -> _Folder | None:
    """That folder in this one; None, and a trouble in ``found``, where it cannot be entered."""
    key = f"{folder.prefix}{name}/"
    below = _folder(folder.here, name, key)
    if isinstance(below, Trouble):
        found.append(below)
        return None
    return _listed(below, key, found)


def _folder(here: int, name: str, key: str) -> int | Trouble:
    if len(os.fsencode(key)) > MAX_KEY_BYTES:
        return Trouble(key, "lies too deep for any key", hides=False)
    try:
        return os.open(name, FOLDER, dir_fd=here)
    except OSError as error:
        return Trouble(key, f"cannot be opened: {error.strerror}", hides=True)


def _looked_at(entry: os.DirEntry[str], key: str, plain: bool) -> Item | Trouble:
    try:
        if not plain:
            check_key(key)
        status = entry.stat(follow_symlinks=False)
        if S_ISREG(status.st_mode):
            return item_of(key, status)
        if S_ISLNK(status.st_mode):
            return Trouble(key, "is a link, which is not followed", hides=False, link=True)
        return Trouble(key, "is no regular file", hides=False)
    except (BadName, UnicodeError):
        return Trouble(key, "its name cannot be a key", hides=False)
    except OSError as error:
        return Trouble(key, f"cannot be read: {error.strerror}", hides=True)
