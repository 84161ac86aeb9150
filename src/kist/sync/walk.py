"""Walk a folder in the order of keys, from its descriptor down, following no link. It blocks: for a thread."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from operator import itemgetter

from kist.errors import BadName
from kist.model.place import MAX_KEY_BYTES, check_key
from kist.ports.tree import Item, Trouble
from kist.sync.local import FOLDER, item_of
from kist.sync.trash import is_reserved

BATCH = 1000

_PLAIN = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._ -]*/)*[A-Za-z0-9_-][A-Za-z0-9._ -]*").fullmatch
"""Most keys: seen at a glance to be ones."""
_SHORT = 512


def walked(root: int, mounts: list[str]) -> Iterator[Item | Trouble]:
    """All files below, by key: within a folder, files by name and folders by name with a slash behind.

    ``mounts`` is told of the folders that are on another file system than the one around them. Not recursive: a tree
    may be deeper than the interpreter's stack.
    """
    way = [(root, os.fstat(root).st_dev, _listed(root, ""))]
    try:
        while way:
            here, device, listed = way[-1]
            found = next(listed, None)
            if found is None:
                os.close(way.pop()[0])
            elif isinstance(found, Trouble):
                yield found
            elif not found[0].endswith("/"):
                yield _looked_at(found[1], found[0])
            elif isinstance(below := _folder(here, found[1].name, found[0]), Trouble):
                yield below
            else:
                way.append((below, os.fstat(below).st_dev, _listed(below, found[0])))
                if way[-1][1] != device:
                    mounts.append(found[0])
    finally:
        for descriptor, _, _ in way:
            os.close(descriptor)


def _listed(here: int, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]] | Trouble]:
    """The keys in a folder, in order, each with its entry."""
    try:
        with os.scandir(here) as entries:
            names = [
                (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries
            ]
    except OSError as error:
        yield Trouble(prefix or "/", f"cannot be listed: {error.strerror}", hides=True)
        return
    names.sort(key=itemgetter(0))
    for name, entry in names:
        if not is_reserved(prefix + name):
            yield prefix + name, entry


def _folder(here: int, name: str, key: str) -> int | Trouble:
    if len(os.fsencode(key)) > MAX_KEY_BYTES:
        return Trouble(key, "lies too deep for any key", hides=False)
    try:
        return os.open(name, FOLDER, dir_fd=here)
    except OSError as error:
        return Trouble(key, f"cannot be opened: {error.strerror}", hides=True)


def _looked_at(entry: os.DirEntry[str], key: str) -> Item | Trouble:
    try:
        if len(key) > _SHORT or _PLAIN(key) is None:
            check_key(key)
        if not entry.is_file(follow_symlinks=False):
            what = "is a link, which is not followed" if entry.is_symlink() else "is no regular file"
            return Trouble(key, what, hides=False)
        return item_of(key, entry.stat(follow_symlinks=False))
    except (BadName, UnicodeError):
        return Trouble(key, "its name cannot be a key", hides=False)
    except OSError as error:
        return Trouble(key, f"cannot be read: {error.strerror}", hides=True)


def batches(walk: Iterator[Item | Trouble]) -> Generator[list[Item | Trouble], None, None]:
    """What a walk finds, a thousand at a time."""
    batch: list[Item | Trouble] = []
    for found in walk:
        batch.append(found)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
