"""Decide what to do about one key, and why. Pure: looks at nothing but what it is given."""

from __future__ import annotations

import re
from typing import NamedTuple

from kist.model.job import Act, Compare, Entry
from kist.ports.tree import Item

_MD5 = re.compile(r"[0-9a-f]{32}")


class Decision(NamedTuple):
    """``act`` None: nothing is to be done. ``digest``: the bytes have to be compared before it is known."""

    act: Act | None
    reason: str
    digest: bool = False


SAME = Decision(None, "unchanged")


def decide(source: Item, dest: Item | None, entry: Entry | None, compare: Compare) -> Decision:
    """What to do about a key that the source has."""
    if dest is None:
        return Decision(Act.CREATE, "not there yet")
    if source.size != dest.size:
        return Decision(Act.REPLACE, f"{dest.size} bytes there, {source.size} here")
    if _alike(source.etag, dest.etag):
        return SAME
    if compare is Compare.CHECKSUM:
        return Decision(None, "to be compared", digest=True)
    known = entry is not None and entry.etag == dest.etag and entry.size == source.size
    if known and entry is not None and entry.modified == source.modified:
        return SAME
    if known:
        changed = Decision(Act.REPLACE, "changed since it was synced")
    elif entry is not None:
        changed = Decision(Act.REPLACE, "changed at the destination since it was synced")
    elif source.modified > dest.modified:
        changed = Decision(Act.REPLACE, "newer than what is there")
    else:
        return Decision(None, "to be compared", digest=True) if compare is Compare.BOTH else SAME
    return Decision(None, "to be compared", digest=True) if compare is Compare.BOTH else changed


def decide_extra(dest: Item, entry: Entry | None) -> Decision:
    """What to do about a key that the source has no more: only what a sync put there, and nobody changed since."""
    if entry is None:
        return Decision(Act.NOTE, "not put there by a sync: left alone")
    if entry.etag != dest.etag:
        return Decision(Act.NOTE, "changed since it was synced: left alone")
    return Decision(Act.DELETE, "no longer at the source")


def _alike(one: str, other: str) -> bool:
    """Whether two etags say that the bytes are the same: an MD5 on both sides."""
    return one == other and _MD5.fullmatch(one) is not None
