"""Bring the bytes of one file to this machine: resumed where they broke off, verified, then renamed into place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from kist.cli.backend import BLOCK, Backend
from kist.cli.exits import NeedsConfirmation
from kist.cli.outcomes import Outcome, State, tried
from kist.cli.targets import part_of
from kist.dialects.native.shapes import FileShape
from kist.errors import Corrupt, Refused

Passed = Callable[[int], None]


async def fetch(kist: Backend, file: FileShape, target: Path, passed: Passed, *, overwrite: bool) -> Outcome:
    """Bring ``file`` to ``target``. Nothing is there under that name before all of it is there and is right.

    What has the same content is left alone, what has another is replaced only when ``overwrite`` says so.
    """
    state = State.THERE
    if await asyncio.to_thread(_is_there, target, file, overwrite):
        passed(file.size)
    else:
        state = State.DONE
        part = part_of(target, file.etag[:16])
        await tried(lambda: _fill(kist, file, part, passed))
        part.replace(target)
    return Outcome(name=file.name, state=state, id=file.id, size=file.size, sha256=file.sha256, path=str(target))


def _is_there(target: Path, file: FileShape, overwrite: bool) -> bool:
    """Whether ``target`` is this very content. Else it may be written to, and the folders on the way are made."""
    if target.is_dir():
        raise Refused(f"{target} is a folder: choose another name with -o")
    if target.exists() or target.is_symlink():
        if _has_content(target, file):
            return True
        if not overwrite:
            raise NeedsConfirmation(f"{target} is there with other content: --overwrite replaces it")
    target.parent.mkdir(parents=True, exist_ok=True)
    return False


async def _fill(kist: Backend, file: FileShape, part: Path, passed: Passed) -> None:
    """Make ``part`` hold the whole of ``file``; what it holds already is not fetched again."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "r+b") as stream:
        digest = sha256()
        start = await asyncio.to_thread(_resume_at, stream, file, digest)
        passed(start)
        if start < file.size or file.size == 0:
            await _receive(kist, file, stream, digest, start, passed)
        size = stream.tell()
        stream.flush()
        os.fsync(stream.fileno())
    if size != file.size or (file.sha256 is not None and digest.hexdigest() != file.sha256):
        os.unlink(part)
        raise Corrupt("what arrived does not have the file's checksum: get it again")


def _resume_at(stream: BinaryIO, file: FileShape, digest: Any) -> int:
    """Take what an earlier try left into ``digest`` and say where to go on. Without a checksum, nothing is trusted."""
    left = os.fstat(stream.fileno()).st_size
    if left > file.size or file.sha256 is None:
        stream.truncate(0)
        return 0
    while block := stream.read(BLOCK):
        digest.update(block)
    return stream.tell()


async def _receive(kist: Backend, file: FileShape, stream: BinaryIO, digest: Any, start: int, passed: Passed) -> None:
    content = await kist.open(file, start)
    skip = start - content.start
    async for block in content.body:
        fresh = block[skip:] if skip else block
        skip -= min(skip, len(block))
        stream.write(fresh)
        digest.update(fresh)
        passed(len(fresh))
        if stream.tell() > file.size:
            break


def _has_content(target: Path, file: FileShape) -> bool:
    if file.sha256 is None or not target.is_file() or target.stat().st_size != file.size:
        return False
    digest = sha256()
    with target.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == file.sha256


async def pour(kist: Backend, file: FileShape, write: Callable[[bytes], object]) -> None:
    """Write the bytes of ``file`` as they come. ``Corrupt`` at the end when they were not what they should be."""
    digest = sha256()
    content = await kist.open(file)
    async for block in content.body:
        digest.update(block)
        await asyncio.to_thread(write, block)
    if file.sha256 is not None and digest.hexdigest() != file.sha256:
        raise Corrupt("what arrived does not have the file's checksum: do not use it")
