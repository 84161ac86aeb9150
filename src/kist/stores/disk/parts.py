"""Multipart uploads: a folder below the temporary one, with a file for each part that has arrived.

A part is written under a name of its own and then renamed, so that it is there whole or not at all. Joining copies the
parts into a new file: no descriptor that a part was written through ever leads to the object.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from kist.errors import Incomplete, UploadMissing
from kist.model.content import OpenParts, PartRef, Stored
from kist.model.place import Place
from kist.stores.disk.drafts import Draft, mark
from kist.stores.disk.facts import modified_of
from kist.stores.disk.failures import translated
from kist.stores.disk.folders import FOLDER, NOT_THERE, TEMPORARY, open_bucket, open_root
from kist.stores.disk.reader import Reader, head

_PREFIX = "parts-"
_RECORD = "place"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Place).decode


@translated
def start(root: Path, place: Place, token: str) -> str:
    """Make the folder of a new multipart upload, durably, and return its id. ``BucketMissing``."""
    os.close(open_bucket(root, place.bucket))
    with _temporary(root) as here:
        name = _folder(place, token)
        os.mkdir(name, 0o700, dir_fd=here)
        folder = os.open(name, FOLDER, dir_fd=here)
        try:
            with os.fdopen(os.open(_RECORD, _NEW, 0o600, dir_fd=folder), "wb") as record:
                record.write(_encode(place))
                record.flush()
                os.fsync(record.fileno())
            os.fsync(folder)
        finally:
            os.close(folder)
        os.fsync(here)
    return token


class PartDraft:
    """One part on its way in. Its methods block."""

    def __init__(self, root: Path, place: Place, parts_id: str, number: int, token: str) -> None:
        self._folder = _open(root, place, parts_id)
        self._number = number
        self._name = f".{number}-{token}"
        try:
            self._file = os.open(self._name, _NEW, 0o600, dir_fd=self._folder)
        except BaseException:
            os.close(self._folder)
            raise

    @translated
    def write(self, blocks: Sequence[bytes]) -> None:
        """Add ``blocks`` at the end."""
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._file, rest) :]

    @translated
    def finish(self, md5: str, size: int) -> PartRef:
        """Sync the part and let it replace an earlier one of its number. ``UploadMissing`` if ended meanwhile."""
        os.fsync(self._file)
        for name in _named(self._folder, self._number):
            os.unlink(name, dir_fd=self._folder)
        try:
            os.rename(self._name, f"{self._number}-{md5}", src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except FileNotFoundError as error:
            raise _missing() from error
        os.fsync(self._folder)
        return PartRef(number=self._number, etag=md5, size=size)

    def drop(self) -> None:
        """Free what is held, and remove what has not become a part. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
            os.close(self._folder)
        self._file = -1


@translated
def parts(root: Path, place: Place, parts_id: str) -> tuple[PartRef, ...]:
    """The parts that have arrived, by number. ``UploadMissing``."""
    folder = _open(root, place, parts_id)
    try:
        return tuple(sorted(_refs(folder), key=lambda ref: ref.number))
    finally:
        os.close(folder)


@translated
def finish(root: Path, place: Place, parts_id: str, wanted: Sequence[PartRef], draft: Draft, modified: int) -> Stored:
    """Join ``wanted`` into the object. ``Incomplete``, and ``UploadMissing`` unless it was joined before."""
    try:
        folder = _open(root, place, parts_id)
    except UploadMissing:
        made = head(root, place)
        if made is None or made.size != sum(part.size for part in wanted):
            raise
        return made
    try:
        there = {(ref.number, ref.etag) for ref in _refs(folder)}
        absent = [part.number for part in wanted if (part.number, part.etag) not in there]
        if absent or not wanted:
            raise Incomplete(f"these parts have not arrived: {absent[:20]}", missing=absent[:20])
        for part in wanted:
            _append(folder, part, draft)
        made = draft.finish((), modified)
    finally:
        os.close(folder)
        draft.drop()
    drop(root, place, parts_id)
    return made


@translated
def drop(root: Path, place: Place, parts_id: str) -> None:
    """Remove the folder of a multipart upload; absent is fine. From here on no part of it can arrive."""
    with _temporary(root) as here:
        _remove(here, _folder(place, parts_id))


@translated
def clear(root: Path, place: Place) -> None:
    """Remove all multipart uploads of ``place``."""
    with _temporary(root) as here:
        for name in os.listdir(here):
            if name.startswith(f"{_PREFIX}{mark(place)}-"):
                _remove(here, name)


@translated
def open_parts(root: Path, bucket: str, prefix: str) -> tuple[OpenParts, ...]:
    """The multipart uploads that are open under ``prefix``, by key."""
    found = []
    with _temporary(root) as here:
        for name in os.listdir(here):
            if not name.startswith(_PREFIX):
                continue
            with suppress(OSError, msgspec.DecodeError):  # dropped, or just being made
                place, started = _record(here, name)
                if place.bucket == bucket and place.key.startswith(prefix):
                    token = name.rpartition("-")[2]
                    found.append(OpenParts(key=place.key, parts_id=token, started=modified_of(started)))
    return tuple(sorted(found, key=lambda each: (each.key.encode(), each.parts_id)))


def _append(folder: int, part: PartRef, draft: Draft) -> None:
    reader = Reader(os.open(f"{part.number}-{part.etag}", _READ, dir_fd=folder))
    try:
        while reader.start < reader.stop:
            draft.take(reader)
    finally:
        reader.close()


def _record(here: int, name: str) -> tuple[Place, os.stat_result]:
    folder = os.open(name, FOLDER, dir_fd=here)
    try:
        with os.fdopen(os.open(_RECORD, _READ, dir_fd=folder), "rb") as record:
            return _decode(record.read()), os.fstat(record.fileno())
    finally:
        os.close(folder)


def _refs(folder: int) -> Iterator[PartRef]:
    for name in os.listdir(folder):
        number, _, etag = name.partition("-")
        if number.isdigit():
            size = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
            yield PartRef(number=int(number), etag=etag, size=size)


def _named(folder: int, number: int) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(f"{number}-")]


def _open(root: Path, place: Place, parts_id: str) -> int:
    """The folder of a multipart upload. ``UploadMissing``."""
    if not parts_id.isalnum():
        raise _missing()
    with _temporary(root) as here:
        try:
            return os.open(_folder(place, parts_id), FOLDER, dir_fd=here)
        except OSError as error:
            if error.errno in NOT_THERE:
                raise _missing() from error
            raise


def _remove(here: int, name: str) -> None:
    """First away from its name, so that nothing more is put into it."""
    gone = f".gone-{name}"
    with suppress(FileNotFoundError):
        os.rename(name, gone, src_dir_fd=here, dst_dir_fd=here)
        os.fsync(here)
    shutil.rmtree(gone, ignore_errors=True, dir_fd=here)


def _folder(place: Place, parts_id: str) -> str:
    return f"{_PREFIX}{mark(place)}-{parts_id}"


@contextmanager
def _temporary(root: Path) -> Iterator[int]:
    """The folder of temporary files, made when there is none yet."""
    root_fd = open_root(root)
    try:
        with suppress(FileExistsError):
            os.mkdir(TEMPORARY, 0o700, dir_fd=root_fd)
        here = os.open(TEMPORARY, FOLDER, dir_fd=root_fd)
    finally:
        os.close(root_fd)
    try:
        yield here
    finally:
        os.close(here)


def _missing() -> UploadMissing:
    return UploadMissing("there is no such multipart upload, or it has ended")
