"""Walk a folder in the order of keys, from its descriptor down, following no link. It blocks: for a thread."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from kist.errors import BadName
from kist.model.place import MAX_KEY_BYTES, RESERVED, check_key
from kist.ports.tree import Item, Trouble

BATCH = 1000
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_PLAIN = re.compile(r"[A-Za-z0-9._ /-]*").fullmatch
"""Most names: whatever they are put together to is a key, below a prefix that is short."""
_SHORT = MAX_KEY_BYTES - 256

Batch = list[Item | Trouble]


def batches(root: int) -> Iterator[Batch]:
    """All files below, by key: within a folder, files by name and folders by name with a slash behind.

    ``root`` is closed at the end.
    """
    found: Batch = []
    with closing(root):
        yield from _below(root, "", found, plain=True)
    if found:
        yield found


def item_of(key: str, status: os.stat_result) -> Item:
    """A file as a tree shows it."""
    size, modified = status.st_size, status.st_mtime_ns
    return Item(key, size, modified, "%x-%x-%x" % (modified, size, status.st_ino))  # noqa: UP031  # half the time of an f-string


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Close a descriptor behind the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _below(here: int, prefix: str, found: Batch, *, plain: bool) -> Iterator[Batch]:
    """Add to ``found``; give away copies of it whenever it is full. ``plain``: all names of the prefix are."""
    try:
        with os.scandir(here) as entries:
            names = [
                (entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries
            ]
    except OSError as error:
        found.append(Trouble(prefix or "/", f"cannot be listed: {error.strerror}", hides=True))
        return
    names.sort()
    known = plain and len(prefix) < _SHORT and _PLAIN("".join([name for name, _ in names])) is not None
    for name, entry in names:
        if name[-1] == "/":
            if prefix + name != RESERVED:
                yield from _inside(here, entry.name, prefix + name, found, plain=known)
        else:
            try:
                regular = known and entry.is_file(follow_symlinks=False)
                key = prefix + name
                found.append(item_of(key, entry.stat(follow_symlinks=False)) if regular else _looked_at(entry, key))
            except OSError as error:
                found.append(Trouble(prefix + name, f"cannot be read: {error.strerror}", hides=True))
            if len(found) >= BATCH:
                yield found[:]
                found.clear()


def _inside(here: int, name: str, key: str, found: Batch, *, plain: bool) -> Iterator[Batch]:
    try:
        below = os.open(name, FOLDER, dir_fd=here)
    except OSError as error:
        found.append(Trouble(key, f"cannot be opened: {error.strerror}", hides=True))
        return
    with closing(below):
        yield from _below(below, key, found, plain=plain)


def _looked_at(entry: os.DirEntry[str], key: str) -> Item | Trouble:
    """What is no file, or has a name that may be no key. ``OSError``."""
    try:
        check_key(key)
    except (BadName, UnicodeError):
        return Trouble(key, "its name cannot be a key", hides=False)
    if entry.is_symlink():
        return Trouble(key, "is a link, which is not followed", hides=False)
    if not entry.is_file(follow_symlinks=False):
        return Trouble(key, "is no regular file", hides=False)
    return item_of(key, entry.stat(follow_symlinks=False))
