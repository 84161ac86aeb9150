"""The conditions If-Match and If-None-Match (RFC 9110 §13.1)."""

from __future__ import annotations

import re

from kist.errors import Stale
from kist.wire.call import Call

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def names_weakly(header: str, etag: str) -> bool:
    """Whether the list in ``header`` names ``etag``, weak or strong; ``*`` names any."""
    return header.strip() == "*" or any(match[2] == etag for match in _TAG.finditer(header))


def names_strongly(header: str, etag: str) -> bool:
    """Whether the list in ``header`` names ``etag`` as a strong tag; ``*`` names any."""
    if header.strip() == "*":
        return True
    return any(match[2] == etag and match[1] is None for match in _TAG.finditer(header))


def unchanged(call: Call, etag: str) -> bool:
    """Whether the caller holds this content already (If-None-Match)."""
    header = call.headers.get("if-none-match")
    return header is not None and names_weakly(header, etag)


def require_match(call: Call, etag: str) -> None:
    """``Stale`` unless If-Match is absent or names ``etag``."""
    header = call.headers.get("if-match")
    if header is not None and not names_strongly(header, etag):
        raise Stale("the content has been changed since: read it again", etag=etag)
