"""The folder that the operator names for files to be written to on the server itself."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from kist.errors import BadName, StoreFull, StoreRefused
from kist.model.names import check_characters
from kist.ports.system import Ids
from kist.ports.wiring import Aside

P = ParamSpec("P")
R = TypeVar("R")

MAX_NAME_BYTES = 255
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT)


class SavingFolder:
    """``SavesFiles`` on a local folder, which has to be there."""

    def __init__(self, folder: Path, aside: Aside, ids: Ids) -> None:
        self._path = folder
        self._aside = aside
        self._ids = ids

    async def save(self, name: str, body: AsyncIterable[bytes]) -> str:
        """See the port."""
        _check(name)
        draft = _Draft(self._path, f".kist-{self._ids.token()}")
        try:
            await self._aside(draft.open)
            async for block in body:
                await self._aside(draft.write, block)
            await self._aside(draft.publish, name)
        finally:
            draft.drop()
        return f"{self._path}/{name}"


def _check(name: str) -> None:
    """``BadName`` unless ``name`` is that of a file right in the folder, which nobody takes for a hidden one."""
    check_characters(name, "file name")
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise BadName(f"{name!r} cannot be the name of a file in a folder: it is empty, hidden, or holds a slash")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise BadName(f"the file name is too long: at most {MAX_NAME_BYTES} bytes", limit=MAX_NAME_BYTES)


def _translated(work: Callable[P, R]) -> Callable[P, R]:
    @wraps(work)
    def call(*args: P.args, **more: P.kwargs) -> R:
        try:
            return work(*args, **more)
        except OSError as error:
            if error.errno in _FULL:
                raise StoreFull("the folder for saved files is on a full disk") from error
            raise StoreRefused(f"the folder for saved files cannot be written: {error.strerror}") from error

    return call


class _Draft:
    """A file under a temporary name, until it is whole."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder
        self._name = name
        self._folder = self._file = -1

    @_translated
    def open(self) -> None:
        self._folder = os.open(self._path, _FOLDER)
        self._file = os.open(self._name, _NEW_FILE, 0o666, dir_fd=self._folder)

    @_translated
    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(self._file, view) :]

    @_translated
    def publish(self, name: str) -> None:
        """Give the file its name, in place of another, once its bytes are on the disk."""
        os.fsync(self._file)
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)

    def drop(self) -> None:
        """Close what is open, and remove what has no name yet. Never raises."""
        if self._file >= 0:
            os.close(self._file)
            with suppress(OSError):  # it has its name by now, or the folder is gone
                os.unlink(self._name, dir_fd=self._folder)
        if self._folder >= 0:
            os.close(self._folder)
        self._folder = self._file = -1
