"""Where a file from Kist may be written on this machine: never outside the folder that was chosen."""

from __future__ import annotations

import re
from pathlib import Path

from kist.errors import BadName, Refused
from kist.model.names import clean_name

_MARK = re.compile(r"[0-9A-Za-z-]{1,64}")


def target_in(folder: Path, name: str) -> Path:
    """Where the file called ``name`` goes in ``folder``, whoever says that it is called so.

    ``BadName`` for a name that could lead elsewhere. ``Refused`` when a folder on the way is a symbolic link.
    """
    if clean_name(name) != name:
        raise BadName("the name is not in the form that Kist keeps (NFC): get it by its id, with -o FILE")
    target = folder
    for part in name.split("/")[:-1]:
        target /= part
        if target.is_symlink():
            raise Refused(f"{target} is a symbolic link: it could lead out of {folder}")
    return target / name.rpartition("/")[2]


def last_part(name: str) -> str:
    """The name without its folders, checked like the whole."""
    clean_name(name)
    return name.rpartition("/")[2]


def part_of(target: Path, mark: str) -> Path:
    """The temporary file beside ``target``; ``mark`` tells one content from another.

    ``BadName`` for a mark that could lead elsewhere: it comes from a server.
    """
    if not _MARK.fullmatch(mark):
        raise BadName("the server gave this file neither a proper checksum nor a proper id")
    # Names have at most 255 bytes on most file systems, and the whole of this one must fit as well.
    short = target.name.encode()[:200].decode(errors="ignore")
    return target.with_name(f".{short}.{mark}.part")
