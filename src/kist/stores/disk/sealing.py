"""Seal an object by giving its bytes a second name: a hard link.

Whatever is put at the old name later is a new file that replaces the name, so the sealed bytes never change.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from kist.errors import BucketMissing
from kist.model.content import Stored
from kist.model.place import Place
from kist.stores.disk.facts import is_object, stored
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import NOT_THERE, existing, made, make_way, split
from kist.stores.disk.reader import missing

_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


@translated
def seal(root: Path, source: Place, target: Place, token: str) -> Stored | None:
    """Link ``target`` to the bytes of ``source``, durably; None where this disk knows no links. ``ObjectMissing``."""
    folders, name = split(source.key)
    try:
        with existing(root, source.bucket, folders) as here:
            if not is_object(os.stat(name, dir_fd=here, follow_symlinks=False)):
                raise missing(source)
            return _link(root, here, name, target, token)
    except BucketMissing as error:
        raise missing(source) from error
    except OSError as error:
        if error.errno in NOT_THERE:
            raise missing(source) from error
        if error.errno in _NO_LINKS:
            return None
        raise


def _link(root: Path, here: int, name: bytes, target: Place, token: str) -> Stored:
    folders, new = split(target.key)
    draft = f".{token}".encode()
    with made(root, target.bucket, folders) as there:
        os.link(name, draft, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
        try:
            status = os.stat(draft, dir_fd=there, follow_symlinks=False)
            make_way(there, new)
            os.rename(draft, new, src_dir_fd=there, dst_dir_fd=there)
        finally:
            with suppress(FileNotFoundError):  # renaming one name of a file to another of its names does nothing
                os.unlink(draft, dir_fd=there)
        os.fsync(there)
    return stored(target, status)
