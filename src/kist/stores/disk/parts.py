"""Multipart uploads: each is a folder below the temporary one, each part of it a file, joined at the end.

A part's file is its bytes and, behind them, their MD5: one rename replaces both. The file ``place`` says what the
upload is for; while it is there the upload is open. The folder is named by place and id, so that no id opens the
parts of another place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from kist.errors import Incomplete, KistError, StoreUnavailable, UploadMissing
from kist.model.content import OpenParts, PartRef
from kist.model.place import Place
from kist.stores.disk.drafts import Draft, mark
from kist.stores.disk.facts import is_object, modified_of
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import FOLDER, NOT_THERE, open_bucket, open_root
from kist.stores.disk.reader import READ, Reader
from kist.stores.disk.temporary import NEW_FILE, Temporary, open_temporary, write_all

PARTS = "parts"
"""The folder of multipart uploads, in that of temporary files."""
RECORD = "place"
_DIGEST = 16  # bytes of an MD5
_MOST_TRIES = 1000

_ID = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"[0-9]{5}")


class PartDraft(Temporary[PartRef]):
    """One part on its way in. ``UploadMissing`` when its upload has ended, also while the part was under way."""

    def __init__(self, root: Path, place: Place, parts_id: str, number: int, token: str) -> None:
        super().__init__(f"new-{token}")
        self._root = root
        self._place = place
        self._parts_id = parts_id
        self._number = number
        self._digest = hashlib.md5(usedforsecurity=False)

    def _open_folder(self) -> int:
        return _open_upload(self._root, self._place, self._parts_id)

    def _begin(self) -> None:
        with _ended_if_absent():
            super()._begin()

    def _add(self, blocks: Sequence[bytes]) -> None:
        for block in blocks:
            self._digest.update(block)
        super()._add(blocks)

    def _end(self) -> None:
        write_all(self._file, [self._digest.digest()])

    def _publish(self) -> None:
        with _ended_if_absent():
            os.stat(RECORD, dir_fd=self._folder, follow_symlinks=False)
            if self._refused:
                raise StoreUnavailable("the part was given up")
            os.rename(self._name, _name_of(self._number), src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.fsync(self._folder)

    def _made(self, status: os.stat_result) -> PartRef:
        return PartRef(number=self._number, etag=self._digest.hexdigest(), size=status.st_size - _DIGEST)


class Joined(Draft):
    """The object that parts become. Getting its name and ending the upload are one step for all who try."""

    def __init__(self, root: Path, place: Place, parts_id: str, token: str) -> None:
        super().__init__(root, place, token)
        self._parts_id = parts_id

    def _publish(self) -> None:
        upload = _open_upload(self._root, self._place, self._parts_id)
        try:
            fcntl.flock(upload, fcntl.LOCK_EX)
            with _ended_if_absent():
                os.stat(RECORD, dir_fd=upload, follow_symlinks=False)
            super()._publish()
            os.unlink(RECORD, dir_fd=upload)
            os.fsync(upload)  # before any part is removed: an upload that seems open has all its parts
        finally:
            os.close(upload)


@translated
def start(root: Path, place: Place, token: str, started: int) -> str:
    """Make the folder of a new upload, durably, and return the upload's id. ``BucketMissing``."""
    os.close(open_bucket(root, place.bucket))
    here = _make_all(root)
    try:
        name = _folder_of(place, token)
        os.mkdir(name, 0o700, dir_fd=here)
        upload = os.open(name, FOLDER, dir_fd=here)
        try:
            _write_record(upload, place, started)
            os.fsync(upload)
        finally:
            os.close(upload)
        os.fsync(here)
    finally:
        os.close(here)
    return token


@translated
def is_open(root: Path, place: Place, parts_id: str) -> bool:
    """Whether the upload has neither been finished nor dropped."""
    try:
        os.close(_open_upload(root, place, parts_id))
    except UploadMissing:
        return False
    return True


@translated
def listed(root: Path, place: Place, parts_id: str) -> list[PartRef]:
    """The parts that have arrived, by number. ``UploadMissing``."""
    upload = _open_upload(root, place, parts_id)
    try:
        numbers = sorted(int(name) for name in os.listdir(upload) if _PART.fullmatch(name))
        return [part for number in numbers if (part := _look(upload, number))]
    finally:
        os.close(upload)


@translated
def check(root: Path, place: Place, parts_id: str, parts: Sequence[PartRef]) -> None:
    """``Incomplete`` unless all of ``parts`` are there, with the bytes that are meant. ``UploadMissing``."""
    upload = _open_upload(root, place, parts_id)
    try:
        for part in parts:
            if _look(upload, part.number) != part:
                raise _not_there(part)
    finally:
        os.close(upload)


@translated
def open_part(root: Path, place: Place, parts_id: str, part: PartRef) -> Reader:
    """The bytes of one part. ``Incomplete`` when other bytes, or none, are there; ``UploadMissing``."""
    upload = _open_upload(root, place, parts_id)
    try:
        found = _open_file(upload, part.number)
    finally:
        os.close(upload)
    if found is None or _ref(part.number, found) != part:
        raise _not_there(part)
    found.stop -= _DIGEST
    return found


@translated
def drop(root: Path, place: Place, parts_id: str) -> None:
    """End an upload and remove its folder, whatever is in it. Absent is fine."""
    if _ID.fullmatch(parts_id):
        with _all_uploads(root) as here:
            if here is not None:
                _remove(here, _folder_of(place, parts_id))


@translated
def clear(root: Path, place: Place) -> None:
    """End all uploads of ``place``, also those whose folders a crash left half made or half removed."""
    with _all_uploads(root) as here:
        if here is not None:
            for name in os.listdir(here):
                if name.startswith(f"{mark(place)}-"):
                    _remove(here, name)


@translated
def uploads(root: Path, bucket: str, prefix: str) -> list[OpenParts]:
    """The uploads that are open under ``prefix``, by key. ``BucketMissing``."""
    os.close(open_bucket(root, bucket))
    with _all_uploads(root) as here:
        if here is None:
            return []
        found = [(name, record) for name in os.listdir(here) if (record := _read_record(here, name))]
    shown = [
        OpenParts(key=place.key, parts_id=name.rpartition("-")[2], started=modified_of(status))
        for name, (place, status) in found
        if place.bucket == bucket and place.key.startswith(prefix)
    ]
    return sorted(shown, key=lambda each: (each.key, each.started, each.parts_id))


def _ended() -> UploadMissing:
    """Finished, dropped, or never there: all alike."""
    return UploadMissing("this multipart upload has been finished or dropped")


def _folder_of(place: Place, parts_id: str) -> str:
    return f"{mark(place)}-{parts_id}"


def _name_of(number: int) -> str:
    return f"{number:05d}"


@contextmanager
def _all_uploads(root: Path) -> Iterator[int | None]:
    """The folder of all uploads; None where none has ever begun. Making one to look takes room that may be lacking."""
    temporary = open_temporary(root)
    try:
        here = os.open(PARTS, FOLDER, dir_fd=temporary)
    except FileNotFoundError:
        here = None
    finally:
        os.close(temporary)
    try:
        yield here
    finally:
        if here is not None:
            os.close(here)


def _make_all(root: Path) -> int:
    """The folder of all uploads, made durably when there is none yet."""
    temporary = open_temporary(root)
    try:
        with suppress(FileExistsError):
            os.mkdir(PARTS, 0o700, dir_fd=temporary)
            os.fsync(temporary)
            _sync_root(root)  # the folder of temporary files may be as new
        return os.open(PARTS, FOLDER, dir_fd=temporary)
    finally:
        os.close(temporary)


def _sync_root(root: Path) -> None:
    root_fd = open_root(root)
    try:
        os.fsync(root_fd)
    finally:
        os.close(root_fd)


def _open_upload(root: Path, place: Place, parts_id: str) -> int:
    """The folder of an open upload. ``UploadMissing``."""
    if not _ID.fullmatch(parts_id):
        raise _ended()
    with _all_uploads(root) as here, _ended_if_absent():
        if here is None:
            raise _ended()
        upload = os.open(_folder_of(place, parts_id), FOLDER, dir_fd=here)
        try:
            os.stat(RECORD, dir_fd=upload, follow_symlinks=False)
        except BaseException:
            os.close(upload)
            raise
        return upload


@contextmanager
def _ended_if_absent() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _ended() from error


def _write_record(upload: int, place: Place, started: int) -> None:
    file = os.open(RECORD, NEW_FILE, 0o600, dir_fd=upload)
    try:
        write_all(file, [msgspec.json.encode(place)])
        os.utime(file, ns=(started, started))
        os.fsync(file)
    finally:
        os.close(file)


def _read_record(here: int, name: str) -> tuple[Place, os.stat_result] | None:
    """None for an upload that has ended meanwhile, or whose beginning a crash cut off."""
    try:
        upload = os.open(name, FOLDER, dir_fd=here)
        try:
            file = os.open(RECORD, READ, dir_fd=upload)
        finally:
            os.close(upload)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    try:
        return msgspec.json.decode(os.read(file, 65_536), type=Place), os.fstat(file)
    except (msgspec.MsgspecError, KistError):
        return None
    finally:
        os.close(file)


def _open_file(upload: int, number: int) -> Reader | None:
    try:
        found = Reader(os.open(_name_of(number), READ, dir_fd=upload))
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    if not is_object(found.status) or found.stop < _DIGEST:
        found.close()
        return None
    return found


def _ref(number: int, file: Reader) -> PartRef:
    size = file.stop - _DIGEST
    return PartRef(number=number, etag=os.pread(file.fd, _DIGEST, size).hex(), size=size)


def _look(upload: int, number: int) -> PartRef | None:
    found = _open_file(upload, number)
    if found is None:
        return None
    try:
        return _ref(number, found)
    finally:
        found.close()


def _not_there(part: PartRef) -> Incomplete:
    return Incomplete(f"part {part.number} has not arrived, or with other bytes", part=part.number)


def _remove(here: int, name: str) -> None:
    """Remove the folder of an upload: its record first, so that nothing new is taken for it. Absent is fine."""
    try:
        upload = os.open(name, FOLDER, dir_fd=here)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(upload, fcntl.LOCK_EX)
        _forget(upload, RECORD)
        _empty(here, name, upload)
    finally:
        os.close(upload)


def _empty(here: int, name: str, upload: int) -> None:
    for _ in range(_MOST_TRIES):
        for part in os.listdir(upload):
            _forget(upload, part)
        try:
            os.rmdir(name, dir_fd=here)
        except FileNotFoundError:
            return
        except OSError:
            if os.listdir(upload):  # a part that was under way has come in between
                continue
            raise
        return
    raise StoreUnavailable("parts kept coming in for an upload that has ended")


def _forget(upload: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=upload)
