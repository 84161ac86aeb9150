"""An object on its way in: a temporary file that becomes the object in one step, or nothing at all."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from kist.errors import AlreadyThere, BucketMissing, StoreUnavailable
from kist.model.content import Stored
from kist.model.place import Place
from kist.stores.disk.facts import is_object, stored
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import NOT_THERE, existing, made, make_way, open_bucket, split
from kist.stores.disk.reader import missing
from kist.stores.disk.temporary import Temporary, open_temporary

_MOST_TRIES = 1000
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)


class Draft(Temporary[Stored]):
    """One put. ``BucketMissing`` at the first write when there is no bucket for it.

    ``only_new``: ``AlreadyThere`` when there is an object by the time that it would get its name.
    """

    def __init__(self, root: Path, place: Place, token: str, *, only_new: bool = False) -> None:
        super().__init__(f"{mark(place)}-{token}")
        self._root = root
        self._place = place
        self._only_new = only_new

    @translated
    def link(self, source: Place) -> Stored | None:
        """Make the file of ``source`` an object here as well. None where it cannot have a second name.

        No put ever writes into a file that has a name, so the two objects are apart from then on. ``ObjectMissing``.
        """
        try:
            with self._lock:
                self._open()
                status = self._linked(source)
                if status is None:
                    return None
                self._publish()
            return stored(self._place, status)
        finally:
            self.drop()

    def _linked(self, source: Place) -> os.stat_result | None:
        folders, name = split(source.key)
        try:
            with existing(self._root, source.bucket, folders) as here:
                os.link(name, self._name, src_dir_fd=here, dst_dir_fd=self._folder, follow_symlinks=False)
        except BucketMissing as error:
            raise missing(source) from error
        except OSError as error:
            if error.errno in _NO_LINKS:
                return None
            if error.errno in NOT_THERE:
                raise missing(source) from error
            raise
        status = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        if not is_object(status):
            raise missing(source)
        return status

    def _open_folder(self) -> int:
        os.close(open_bucket(self._root, self._place.bucket))
        return open_temporary(self._root)

    def _publish(self) -> None:
        """Give the file its name. Tries again when an erase has just removed a folder on the way as empty."""
        folders, name = split(self._place.key)
        for _ in range(_MOST_TRIES):
            try:
                with made(self._root, self._place.bucket, folders) as here:
                    make_way(here, name)
                    if self._refused:
                        raise StoreUnavailable("the put was given up")
                    self._name_it(here, name)
                    os.fsync(here)
                    return
            except FileNotFoundError:
                os.stat(self._name, dir_fd=self._folder)  # cleared away meanwhile: no use in trying again
        raise StoreUnavailable("the folders of this key kept being removed")

    def _name_it(self, here: int, name: bytes) -> None:
        if self._only_new and self._linked_anew(here, name):
            os.unlink(self._name, dir_fd=self._folder)
            return
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=here)

    def _linked_anew(self, here: int, name: bytes) -> bool:
        """A link, unlike a rename, never takes another's place. False where the file system has none."""
        try:
            os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=here, follow_symlinks=False)
        except FileExistsError as error:
            raise AlreadyThere("there is an object at this place already") from error
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with suppress(FileNotFoundError):
                os.stat(name, dir_fd=here, follow_symlinks=False)
                raise AlreadyThere("there is an object at this place already") from error
            return False
        return True

    def _made(self, status: os.stat_result) -> Stored:
        return stored(self._place, status)


def mark(place: Place) -> str:
    """How the temporary files of a place begin."""
    return hashlib.sha256(f"{place.bucket}/{place.key}".encode()).hexdigest()[:32]


@translated
def clear(root: Path, place: Place) -> None:
    """Remove the temporary files that cut-off puts left behind for ``place``."""
    folder = open_temporary(root)
    try:
        for name in os.listdir(folder):
            if name.startswith(mark(place)):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)
