"""The Content-Disposition header, for names in any script (RFC 6266, RFC 8187), and what may be shown inline."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote

Kind = Literal["attachment", "inline"]

# What RFC 8187 calls attr-char beside letters and digits.
_PLAIN_IN_EXTENDED = "!#$&+-.^_`|~"
# Some browsers decode %41 inside the quoted form, so a percent sign cannot stay there.
_UNSAFE_IN_QUOTES = re.compile(r'[^\x20-\x7e]|["\\%]')

INLINE_TYPES: dict[str, str] = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "image/avif": "image/avif",
    "video/mp4": "video/mp4",
    "video/webm": "video/webm",
    "audio/mpeg": "audio/mpeg",
    "audio/ogg": "audio/ogg",
    "audio/wav": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "text/plain": "text/plain; charset=utf-8",
}
"""Detected types that may be shown in place, and the Content-Type to show them with. No scripts run in any."""


def content_disposition(kind: Kind, name: str) -> str:
    """The header's value: one line of ASCII, whatever ``name`` holds.

    A name of plain ASCII stands in quotes. Any other is given twice: first in a form that every client reads, with
    ``_`` for what cannot stand there, then exactly, in UTF-8.
    """
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    if plain == name:
        return f'{kind}; filename="{plain}"'
    exact = quote(name.encode("utf-8", "replace"), safe=_PLAIN_IN_EXTENDED)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def inline_type(detected: str | None) -> str | None:
    """The Content-Type for showing a content of that detected type in place, None where it may only be saved."""
    return INLINE_TYPES.get(detected) if detected else None
