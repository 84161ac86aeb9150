"""Which files of this machine a ``kist put`` means, and what each is to be called."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from kist.cli.backend import Source
from kist.cli.outcomes import Outcome, State, failed, skipped
from kist.errors import Invalid, KistError
from kist.model.names import clean_name

Found = Source | Outcome
"""A file to put, or why there will be none."""


def sources(paths: tuple[str, ...], *, name: str | None, folder: str, type: str | None) -> Iterator[Found]:
    """The files that ``paths`` mean, folders gone through. ``-`` is the standard input, which needs a ``name``.

    A folder gives its own name to what is in it: ``photos`` brings ``photos/a/b.jpg``. Symbolic links are not
    followed: each is skipped. ``name`` is for the only file, ``folder`` goes before every name.
    """
    for text in paths:
        if text == "-":
            yield _checked(Source(folder + (name or ""), _stdin, size=None, type=type))
            continue
        path = Path(text)
        if name is None:
            yield from _named(_walk(path, folder + _own_name(path), type), path)
        else:
            yield from _named(iter([_file(path, folder + name, type)]), path)


def _named(found: Iterator[Found], path: Path) -> Iterator[Found]:
    """What was named by itself cannot be skipped: then nothing would have been done, and nobody told."""
    for each in found:
        named = isinstance(each, Outcome) and each.state is State.SKIPPED and each.name == str(path)
        yield replace(each, state=State.FAILED) if isinstance(each, Outcome) and named else each


def _own_name(path: Path) -> str:
    return path.name if path.name not in ("", "..") else path.resolve().name


def _stdin() -> BinaryIO:
    return open(sys.stdin.fileno(), "rb", closefd=False)


def _walk(path: Path, name: str, type: str | None) -> Iterator[Found]:
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            yield _file(path, name, type)
            return
        names = sorted(entry.name for entry in os.scandir(path))
    except OSError as error:
        yield failed(str(path), error)
        return
    for entry in names:
        yield from _walk(path / entry, f"{name}/{entry}" if name else entry, type)


def _file(path: Path, name: str, type: str | None) -> Found:
    try:
        found = path.lstat()
    except OSError as error:
        return failed(str(path), error)
    if stat.S_ISLNK(found.st_mode):
        return skipped(str(path), Invalid("it is a symbolic link: put what it points to"))
    if stat.S_ISDIR(found.st_mode):
        return failed(str(path), Invalid("it is a folder: --name is for a single file, --to for folders"))
    if not stat.S_ISREG(found.st_mode):
        return failed(str(path), Invalid("it is no ordinary file"))
    return _checked(Source(name, lambda: path.open("rb"), size=found.st_size, type=type, path=path))


def _checked(source: Source) -> Found:
    """The name is judged before anything is sent, and brought into the form in which it will come back."""
    shown = str(source.path) if source.path is not None else "-"
    try:
        source.name = clean_name(source.name)
    except KistError as error:
        return failed(shown, error)
    return source
