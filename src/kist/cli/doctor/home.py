"""The home folder: there, a folder, writable, with room, closed to others."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kist.app import ADMIN_KEY_FILE
from kist.cli.doctor.finding import Finding, bad, doubtful, good
from kist.cli.shown import size_text
from kist.settings import Settings

FULL = 100_000_000
NEARLY_FULL = 1_000_000_000


def check_home(settings: Settings) -> Iterator[Finding]:
    """Everything about the home."""
    home = settings.home
    if not home.exists():
        yield _check_absent(home)
        return
    if not home.is_dir():
        yield bad("home", f"{home} is a file, not a folder", "move it away, or set KIST_HOME to another folder")
        return
    fault = writing_fault(home)
    yield _unwritable("home", home, fault) if fault else good("home", f"{home} can be written")
    yield from _check_mode(home)
    yield from _check_admin_key(home / ADMIN_KEY_FILE)
    yield check_room("disk space", home)


def writing_fault(folder: Path) -> OSError | None:
    """Why no file can be made in ``folder``, found by making one."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error
    return None


def _unwritable(check: str, folder: Path, fault: OSError) -> Finding:
    if fault.errno == errno.EROFS:
        return bad(check, f"{folder} is on a read-only file system", "mount it for writing, or set KIST_HOME elsewhere")
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return bad(check, f"{folder} cannot be written: the disk is full", "make room on that disk")
    owner = folder.stat().st_uid
    return bad(
        check,
        f"{folder} cannot be written by this user ({fault.strerror})",
        f"run kist as the folder's owner (uid {owner}), or `chown -R` the folder to the user who runs it",
    )


def _check_absent(home: Path) -> Finding:
    parent = next(folder for folder in home.parents if folder.exists())
    if not parent.is_dir() or writing_fault(parent):
        return bad(
            "home", f"{home} is not there and cannot be made in {parent}", "set KIST_HOME to a folder you may write to"
        )
    return good("home", f"{home} is not there yet; the first start makes it")


def _check_mode(home: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        yield doubtful("home mode", f"other users of this machine may look into it ({mode:03o})", f"chmod 700 {home}")


def _check_admin_key(path: Path) -> Iterator[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & 0o077:
        yield bad(
            "admin key",
            f"other users of this machine may read {path} ({mode:03o})",
            f"chmod 600 {path}; if somebody may have read it: kist key create NAME --admin, then revoke the old one",
        )
    else:
        yield good("admin key", f"{path} is for its owner alone")


def check_store_folder(settings: Settings) -> Iterator[Finding]:
    """The folder of a disk store that lies outside the home."""
    folder = Path(settings.store.removeprefix("disk:").removeprefix("//"))
    if not settings.store.startswith("disk:") or settings.home in folder.parents:
        return
    if not folder.exists():
        yield _check_absent_store(folder)
    elif not folder.is_dir():
        yield bad("store", f"{folder} is a file, not a folder", "move it away, or write another folder in KIST_STORE")
    elif not settings.home.is_dir() or folder.stat().st_dev != settings.home.stat().st_dev:
        yield check_room("store space", folder)


def _check_absent_store(folder: Path) -> Finding:
    if folder.parent.is_dir() and not writing_fault(folder.parent):
        mend = "if a disk is to be mounted there, mount it before the first start"
        return doubtful("store", f"{folder} is not there yet; the first start makes it", mend)
    return bad("store", f"{folder} is not there and cannot be made", "make it, or write another folder in KIST_STORE")


def check_room(check: str, folder: Path) -> Finding:
    """Whether the disk that holds ``folder`` has room."""
    free = shutil.disk_usage(folder).free
    if free < FULL:
        return bad(check, f"only {size_text(free)} free on the disk of {folder}: it is full", "make room on that disk")
    if os.statvfs(folder).f_files and not os.statvfs(folder).f_favail:
        return bad(check, f"the disk of {folder} takes no more files (no inodes)", "remove small files on that disk")
    if free < NEARLY_FULL:
        return doubtful(check, f"only {size_text(free)} free on the disk of {folder}", "make room on that disk soon")
    return good(check, f"{size_text(free)} free")
