"""What no sync may touch: Kist's own, at the top of a bucket or of a folder."""

from __future__ import annotations

from kist.errors import BadName
from kist.model.place import RESERVED, check_key


def is_reserved(key: str) -> bool:
    """Whether a key is Kist's own."""
    return key.startswith(RESERVED) or key == RESERVED[:-1]


def check_synced(key: str) -> None:
    """``BadName`` unless a sync may write and remove at ``key``, whoever listed it."""
    check_key(key)
    if is_reserved(key):
        raise BadName("what begins with .kist/ is Kist's own: no sync goes there")
