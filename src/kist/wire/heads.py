"""The headers of every answer, whichever host sends it: what a reply says, and what no reply should be without."""

from __future__ import annotations

import re

from kist.errors import Broken
from kist.wire.reply import Reply

HeaderPairs = list[tuple[bytes, bytes]]

NO_BODY = frozenset({204, 304})
"""Statuses whose answers have none (RFC 9110 §15.3.5, §15.4.5)."""

_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_NO_STORE = (b"cache-control", b"no-store")
_BREAKS_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def head_of(reply: Reply, added: HeaderPairs | tuple[()] = ()) -> HeaderPairs:
    """The headers to send with ``reply``, with those ``added``. ``Broken`` for one that would break the answer."""
    headers = [*_ALWAYS, *added]
    cached = False
    for name, value in reply.headers:
        if _BREAKS_HEADER.search(value):
            raise Broken(f"the header {name} would break the answer")
        key = name.lower().encode("latin-1")
        if key == b"cache-control":
            cached = True
        if key != b"x-content-type-options":
            headers.append((key, value.encode("latin-1")))
    if not cached:
        headers.append(_NO_STORE)
    if reply.status not in NO_BODY:
        length = len(reply.body) if reply.length is None and isinstance(reply.body, bytes) else reply.length
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
    return headers
